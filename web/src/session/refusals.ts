/** Why the provider's way in ended before the door: what the service puts into the address of the sign-in screen. */

const TEXTS: Record<string, string> = {
  again: "That took too long, or was begun in another browser or tab. Begin again.",
  provider: "The sign-in service said no, or did not answer. Try again, or ask your administrator.",
  token:
    "What the sign-in service said of you cannot be trusted. Tell your administrator: the service's log says more.",
  group: "You are signed in there, but in no group that may come in here. Ask your administrator.",
  name: "Another account here has your name already. If it is yours, sign in with its password and connect the two under Account.",
  inactive: "Your account here is inactive. Ask your administrator.",
  taken: "That account of the sign-in service belongs to another account here.",
};

/** The sentence for a reason; none for what the service never says. */
export function refusal(why: string | null): string | undefined {
  return why === null ? undefined : Object.hasOwn(TEXTS, why) ? TEXTS[why] : undefined;
}
