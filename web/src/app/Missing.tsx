import { Link } from "react-router";
import { Empty } from "../ui/states";

export default function Missing() {
  return (
    <Empty title="There is nothing at this address">
      <Link to="/projects">Your projects</Link>
    </Empty>
  );
}
