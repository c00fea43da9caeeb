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
          { path: "cases", lazy: screen(() => import("../cases/Worklist")) },
          { path: "map", lazy: screen(() => import("../landscape/Landscape")) },
          { path: "next", lazy: screen(() => import("../queue/Queue")) },
          { path: "search", lazy: screen(() => import("../search/Search")) },
          { path: "look", lazy: screen(() => import("../look/SecondLook")) },
          { path: "library", lazy: screen(() => import("../library/Library")) },
          { path: "reviews", lazy: screen(() => import("../reviews/Reviews")) },
          { path: "label-sets", lazy: screen(() => import("../labelsets/LabelSets")) },
          { path: "report", lazy: screen(() => import("../report/Report")) },
          { path: "panels", lazy: screen(() => import("../panels/Panels")) },
          { path: "panels/:panel", lazy: screen(() => import("../panels/Panel")) },
          { path: "validation", lazy: screen(() => import("../validation/Validation")) },
          { path: "counter", lazy: screen(() => import("../counter/Counter")) },
          { path: "fields", lazy: screen(() => import("../fields/FieldList")) },
          { path: "fields/:field", lazy: screen(() => import("../fields/FieldView")) },
          { path: "settings", lazy: screen(() => import("../projects/Settings")) },
        ],
      },
      { path: "model", lazy: screen(() => import("../model/Model")) },
      { path: "help", lazy: screen(() => import("../help/Help")) },
      { path: "*", lazy: screen(() => import("./Missing")) },
    ],
  },
];
