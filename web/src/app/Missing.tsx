import { Link } from "react-router";
import { Empty, Unseen } from "../ui/states";

export default function Missing() {
  return (
    <Empty title="There is nothing at this address">
      <Unseen title="Nothing here" />
      <Link to="/projects">Your projects</Link>
    </Empty>
  );
}
