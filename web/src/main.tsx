import { createRoot } from "react-dom/client";
import { App } from "./app/App";
import "./style/page.scss";

createRoot(document.getElementById("page")!).render(<App />);
