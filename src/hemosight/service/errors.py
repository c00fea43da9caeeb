"""What the review service says when something is wrong: of its database, at its gate, about uploads.

As everywhere (:mod:`hemosight.errors`): what was expected, what came, how to mend it.
"""

from __future__ import annotations

from typing import ClassVar

from hemosight.errors import HemoSightError

# --- storage ----------------------------------------------------------------------------------------------


class DatabaseUnreachable(HemoSightError):
    """PostgreSQL does not answer."""

    expected = "a PostgreSQL that answers at {where}"
    came = "{reason}"
    mend = "Start it, or give another --database; without one, HemoSight brings its own."


class DatabaseBehind(HemoSightError):
    """Tables of another version of the program."""

    expected = "tables at revision {expected}"
    came = "revision {came}"
    mend = "Start `hemosight serve` of this version once: it migrates; or run the program that fits the tables."


class DatabaseWillNotStart(HemoSightError):
    """The PostgreSQL that comes with HemoSight did not start."""

    expected = "the embedded PostgreSQL to start in {path}"
    came = "{reason}"
    mend = "See {path}/log; a full disk or a folder of another PostgreSQL version are the usual causes."


# --- the gate ---------------------------------------------------------------------------------------------


class Refusal(HemoSightError):
    """A request that is answered with a reason instead of what it asked for; ``status`` is HTTP's."""

    status: ClassVar[int] = 400


class NotSignedIn(Refusal):
    """Nobody is known to be asking."""

    status = 401
    expected = "somebody who is signed in, or an API token"
    came = "{came}"
    mend = "Sign in, or send `Authorization: Bearer TOKEN`."


class WrongPassword(Refusal):
    """A name and password that do not belong together; which of them is wrong is not said."""

    status = 401
    expected = "the name and password of an account"
    came = "another pair"
    mend = "Try again, or ask an administrator for a new password."


class NotAllowed(Refusal):
    """Known, but not allowed."""

    status = 403
    expected = "{expected}"
    came = "{came}"
    mend = "{mend}"


class ForeignRequest(Refusal):
    """A request that another web page could have sent in this person's name."""

    status = 403
    expected = "a request from HemoSight's own page ({part})"
    came = "{came}"
    mend = "Read the token from GET /api/v1/session and send it as X-CSRF-Token; programs use API tokens instead."


class ForeignHost(Refusal):
    """A request addressed to a name that is not ours: what DNS rebinding looks like."""

    status = 421
    expected = "a request addressed to {hosts}"
    came = "one addressed to another host"
    mend = "Open the address that `hemosight serve` printed, or add the name to HEMOSIGHT_ALLOWED_HOSTS."


class NothingThere(Refusal):
    """It does not exist, or not for whoever asks."""

    status = 404
    expected = "{kind} you have access to"
    came = "none of that name or number"
    mend = "Check the address; a project's administrator can make you a member."


class AlreadyThere(Refusal):
    """A name that is taken."""

    status = 409
    expected = "{kind} that is not in use"
    came = "one that is"
    mend = "Choose another."


class InTheWay(Refusal):
    """A change that the present state does not allow."""

    status = 409
    expected = "{expected}"
    came = "{came}"
    mend = "{mend}"


class TooMuch(Refusal):
    """More bytes or files than one request may carry."""

    status = 413
    expected = "at most {limit}"
    came = "more"
    mend = "Send less at a time."


class Unfit(Refusal):
    """A value that cannot be what it is meant to be."""

    status = 422
    expected = "{expected}"
    came = "{came}"
    mend = "{mend}"


class TooManyTries(Refusal):
    """Wrong passwords, again and again."""

    status = 429
    expected = "a pause after several wrong passwords"
    came = "another try"
    mend = "Wait {seconds:.0f} seconds, then try again."


class BadServiceSetting(HemoSightError):
    """A setting of the service that does not exist or does not fit."""

    expected = "settings as in docs/reference/settings.md"
    came = "{name}: {reason}"
    mend = "Mend it among the options, the HEMOSIGHT_* environment variables, or the settings file."


class OpenToAll(HemoSightError):
    """A service that others could reach while nobody needs a password."""

    expected = "an account with a password before listening on {host}"
    came = "none"
    mend = "Make one: `hemosight service admin NAME`, or start once on 127.0.0.1 and follow the link it prints."


class BackupFailed(HemoSightError):
    """pg_dump or pg_restore did not finish."""

    expected = "{tool} to finish"
    came = "{reason}"
    mend = "{mend}"


class DatabaseNotEmpty(HemoSightError):
    """A restore that would mix two services."""

    expected = "an empty database to restore into"
    came = "one that already holds the tables of a service"
    mend = "Restore into another --data-dir (or an empty --database), then point the service at it."


class BundleNotHere(Refusal):
    """A project of another bundle than the one this process reads with."""

    status = 409
    expected = "the bundle that the project was begun with ({name})"
    came = "{here}"
    mend = "Start the service with that bundle (--bundle), or begin a new project."


class PortTaken(HemoSightError):
    """Nothing can listen there."""

    expected = "a free port {port} on {host}"
    came = "{reason}"
    mend = "Stop what listens there, or choose another with --port (0 takes any)."


# --- uploads ----------------------------------------------------------------------------------------------


class BadForm(Refusal):
    """A request that should carry files and does not."""

    status = 422
    expected = "a multipart/form-data body with files in the field `files`"
    came = "{came}"
    mend = "Send the files as a browser's form does."
