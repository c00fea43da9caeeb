import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { createBrowserRouter, RouterProvider } from "react-router";
import { ServiceFault } from "../api/client";
import { root } from "./root";
import { routes } from "./routes";

const queries = new QueryClient({
  defaultOptions: {
    queries: {
      staleTime: 10_000,
      // What was refused stays refused; what could not be reached is tried again.
      retry: (times, fault) => fault instanceof ServiceFault && (fault.offline || fault.status === 503) && times < 5,
    },
  },
});

const router = createBrowserRouter(routes, { basename: root || "/" });

export function App() {
  return (
    <QueryClientProvider client={queries}>
      <RouterProvider router={router} />
    </QueryClientProvider>
  );
}
