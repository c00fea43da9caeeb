import type { RouteObject } from "react-router";
import { Navigate, useRouteError } from "react-router";
import { Failure, Loading } from "../ui/states";
import { Shell } from "./Shell";

/** Screens are folders; each is loaded when it is first opened. */
const screen = (load: () => Promise<{ default: React.ComponentType }>) => async () => ({
  Component: (await load()).default,
});

function Broken() {
  return <Failure fault={useRouteError()} retry={() => window.location.reload()} />;
}

export const routes: RouteObject[] = [
  {
    path: "/",
    element: <Shell />,
    errorElement: <Broken />,
    hydrateFallbackElement: <Loading what="Opening HemoSight" />,
    children: [
      { index: true, element: <Navigate to="/projects" replace /> },
      { path: "sign-in", lazy: screen(() => import("../session/SignIn")) },
      { path: "first-run", lazy: screen(() => import("../session/FirstRun")) },
      { path: "account", lazy: screen(() => import("../session/Account")) },
      { path: "admin/users", lazy: screen(() => import("../admin/Admin")) },
      { path: "projects", lazy: screen(() => import("../projects/Projects")) },
      {
        path: "projects/:project",
        lazy: screen(() => import("../projects/Frame")),
        children: [
          { index: true, lazy: screen(() => import("../gallery/Gallery")) },
          { path: "map", lazy: screen(() => import("../landscape/Landscape")) },
          { path: "next", lazy: screen(() => import("../queue/Queue")) },
          { path: "label-sets", lazy: screen(() => import("../labelsets/LabelSets")) },
          { path: "report", lazy: screen(() => import("../report/Report")) },
          { path: "settings", lazy: screen(() => import("../projects/Settings")) },
        ],
      },
      { path: "model", lazy: screen(() => import("../model/Model")) },
      { path: "help", lazy: screen(() => import("../help/Help")) },
      { path: "*", lazy: screen(() => import("./Missing")) },
    ],
  },
];
