"""What the review service says when something is wrong: why a request is refused, why it cannot start.

As everywhere (:mod:`hemosight.errors`) a fault says what was expected, what came and how to mend it; the text stands
where it is raised. What programs can rely on is ``code``, the same in the API's answers.
"""

from __future__ import annotations

from typing import Literal

from hemosight.errors import HemoSightError

RefusalCode = Literal[
    "not_signed_in",
    "wrong_password",
    "not_allowed",
    "foreign_request",
    "nothing_there",
    "already_there",
    "in_the_way",
    "locked",
    "bundle_not_here",
    "too_much",
    "foreign_host",
    "unfit",
    "bad_form",
    "too_many_tries",
    "disk_low",
    "busy",
]
STATUS: dict[RefusalCode, int] = {
    "not_signed_in": 401,
    "wrong_password": 401,
    "not_allowed": 403,
    "foreign_request": 403,  # one that another web page could have sent in this person's name
    "nothing_there": 404,  # it does not exist, or not for whoever asks
    "already_there": 409,
    "in_the_way": 409,  # the present state does not allow the change
    "locked": 409,  # a signed case that nobody amends
    "bundle_not_here": 409,
    "too_much": 413,
    "foreign_host": 421,  # addressed to a name that is not ours: what DNS rebinding looks like
    "unfit": 422,
    "bad_form": 422,
    "too_many_tries": 429,
    "busy": 503,  # more at once than this machine does
    "disk_low": 507,
}
"""HTTP's status of every refusal."""

FaultCode = Literal[
    "database_unreachable",
    "database_encoding",
    "database_behind",
    "database_ahead",
    "database_will_not_start",
    "database_older",
    "database_newer",
    "data_dir_unusable",
    "account_missing",
    "tool_missing",
    "upgrade_failed",
    "database_not_empty",
    "backup_failed",
    "bad_service_setting",
    "open_to_all",
    "port_taken",
]


class Refusal(HemoSightError):
    """A request that is answered with a reason instead of what it asked for.

    Parameters
    ----------
    code
        One of :data:`STATUS`, which gives :attr:`status`.
    expected, came, mend
        The message.
    retry_after
        Seconds to wait, where waiting helps.
    """

    def __init__(
        self, code: RefusalCode, *, expected: str, came: str, mend: str, retry_after: float | None = None
    ) -> None:
        super().__init__(code=code, expected=expected, came=came, mend=mend)
        self.status = STATUS[code]
        self.retry_after = retry_after


class NothingThere(Refusal):
    """``kind`` does not exist, or not for whoever asks."""

    def __init__(self, kind: str) -> None:
        super().__init__(
            "nothing_there",
            expected=f"{kind} you have access to",
            came="none of that name or number",
            mend="Check the address; a project's administrator can make you a member.",
        )


def already_there(kind: str) -> Refusal:
    """What is said where ``kind``, a name, is taken."""
    return Refusal("already_there", expected=f"{kind} that is not in use", came="one that is", mend="Choose another.")


class ServiceFault(HemoSightError):
    """The service, or a command that looks after it, cannot do its work; ``code`` says what is wrong."""

    def __init__(self, code: FaultCode, *, expected: str, came: str, mend: str) -> None:
        super().__init__(code=code, expected=expected, came=came, mend=mend)
