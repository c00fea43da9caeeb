import { useQueryClient } from "@tanstack/react-query";
import { useEffect } from "react";
import { Dropdown } from "react-bootstrap";
import { Link, Navigate, NavLink, Outlet, useLocation, useNavigate } from "react-router";
import { api, body } from "../api/client";
import { names, useSession } from "../api/queries";
import type { SessionShown as Session } from "../api/schema";
import { FIELDS, REVIEWS, SETTINGS, TABS } from "../projects/tabs";
import { Failure, Loading } from "../ui/states";
import { root } from "./root";
import { setTheme, useTheme } from "./theme";

/** Screens that a person without a session may see. */
const OPEN = ["/sign-in", "/first-run"];

/** What screens of no project are called, by their address. */
const OUTSIDE: Record<string, string> = {
  "/sign-in": "Sign in",
  "/first-run": "Welcome",
  "/projects": "Projects",
  "/model": "Model",
  "/help": "Help",
  "/account": "Account",
  "/admin/users": "Administration",
};

/** What the screen at an address is called. No name of a project or a case: window titles stay in the browser's history. */
export function titleOf(pathname: string): string {
  const [, below] = /^\/projects\/\d+\/?([^/]*)/.exec(pathname) ?? [];
  if (below === undefined) return OUTSIDE[pathname] ?? "";
  return [...TABS, FIELDS, REVIEWS, SETTINGS].find(({ to }) => to === below)?.title ?? "";
}

/** The screen's name as the window's title; said when another one opens, which the eye sees and the ear does not. */
function Where({ pathname }: { pathname: string }) {
  const title = titleOf(pathname);
  useEffect(() => {
    document.title = title ? `${title} · HemoSight` : "HemoSight";
  }, [title]);
  return (
    <p className="visually-hidden" aria-live="polite">
      {title}
    </p>
  );
}

/** The frame of every screen: who is here, where to go, and whether the service answers. */
export function Shell() {
  const session = useSession();
  const { pathname, search } = useLocation();

  if (session.isPending) return <Loading what="Opening HemoSight" />;
  if (session.isError) return <Failure fault={session.error} retry={() => session.refetch()} />;

  const open = OPEN.includes(pathname);
  if (!session.data.user && !open) {
    if (session.data.first_run) return <Navigate to={`/first-run${search}`} replace />;
    return <Navigate to={`/sign-in?to=${encodeURIComponent(pathname + search)}`} replace />;
  }
  return (
    <div className="shell">
      <a className="shell-skip" href="#main">
        Skip to the content
      </a>
      {session.data.user && <Bar session={session.data} />}
      <Where pathname={pathname} />
      <main id="main" className="shell-main" tabIndex={-1}>
        <Outlet />
      </main>
    </div>
  );
}

function Bar({ session }: { session: Session }) {
  const theme = useTheme();
  const navigate = useNavigate();
  const queries = useQueryClient();
  const user = session.user!;

  const signOut = async () => {
    const { location } = await body(api.DELETE("/session"));
    queries.clear();
    if (location) {
      window.location.assign(location); // whoever came by the provider is still signed in there
      return;
    }
    navigate("/sign-in");
    await queries.invalidateQueries({ queryKey: names.session });
  };

  return (
    <header className="shell-bar">
      <Link className="brand" to="/projects">
        <img src={`${root}/mark.svg`} alt="" />
        <span className="brand-name">HemoSight</span>
      </Link>
      {/* A project's screens put their tabs and counts here. */}
      <div id="shell-slot" className="shell-slot" />
      <nav className="push" aria-label="HemoSight">
        <NavLink to="/model">Model</NavLink>
        <NavLink to="/help">Help</NavLink>
      </nav>
      <Dropdown align="end">
        <Dropdown.Toggle variant="link" size="sm" id="account-menu">
          {user.display || user.name}
        </Dropdown.Toggle>
        <Dropdown.Menu>
          {session.login && (
            <Dropdown.Item as={Link} to="/account">
              Account
            </Dropdown.Item>
          )}
          {user.is_admin && (
            <Dropdown.Item as={Link} to="/admin/users">
              Administration
            </Dropdown.Item>
          )}
          <Dropdown.Item onClick={() => setTheme(theme === "dark" ? "light" : "dark")}>
            {theme === "dark" ? "Light page" : "Dark page"}
          </Dropdown.Item>
          {session.login && (
            <>
              <Dropdown.Divider />
              <Dropdown.Item onClick={signOut}>Sign out</Dropdown.Item>
            </>
          )}
        </Dropdown.Menu>
      </Dropdown>
    </header>
  );
}
