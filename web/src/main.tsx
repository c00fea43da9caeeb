import { createRoot } from "react-dom/client";
import { App } from "./app/App";
import { root } from "./app/root";
import "./style/page.scss";

// Opened without the proxy, at an address that the router would not know.
if (!`${window.location.pathname}/`.startsWith(`${root}/`)) {
  const { pathname, search, hash } = window.location;
  window.location.replace(root + pathname + search + hash);
}
createRoot(document.getElementById("page")!).render(<App />);
