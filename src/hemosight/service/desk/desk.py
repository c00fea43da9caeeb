"""A desk: one project in memory, following the database event by event, learning beside the requests.

What a desk says follows from the facts alone, so that every process that holds a desk of the same project says the
same (up to rounding). Whoever asks first lets it catch up: one small query tells whether anything happened. Labels
are there at once; predictions follow when the reader has been fitted again, in one thread of the desk that learns
whatever has come together since it last looked.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import structlog
from numpy.typing import NDArray
from sqlalchemy import BigInteger, cast, select
from sqlalchemy.orm import Session

from hemosight.bundle import Bundle
from hemosight.service.desk import loading
from hemosight.service.desk.one_thread import one_thread
from hemosight.service.desk.opinions import NOTHING, Opinion, Question, Word
from hemosight.service.desk.references import References
from hemosight.service.desk.roll import READ, Roll
from hemosight.service.desk.views import View, view
from hemosight.service.errors import NothingThere
from hemosight.service.storage import events
from hemosight.service.storage.database import Database
from hemosight.service.storage.tables import Event
from hemosight.space.readers import Reader
from hemosight.space.teaching import Lessons
from hemosight.study.metrics import Scores, scores

log = structlog.get_logger()

PATIENCE = 30.0
"""Seconds that who looks waits for a refit that is due."""
MOVED_SHOWN = 500
"""Cells named in a ``taught`` event; the page reads the others as a delta of the columns."""
_AWAY = 12 * 3600.0
"""Seconds after which a desk that nobody looked at loads anew: older events may be forgotten."""
_BLOCK = 4096
_NEWS = 10_000


@dataclass(frozen=True)
class Sight:
    """What a person had before their eyes when they said something."""

    predicted: str | None
    probability: float | None


@dataclass(frozen=True)
class Answer:
    """What one label set says of one image."""

    label: str | None
    version: int
    by: int | None
    predicted: str | None
    probabilities: dict[str, float]
    revision: int


class Desk:
    """A project in memory; safe to use from several threads.

    Parameters
    ----------
    project
        Its number.
    database
        Where its facts are.
    bundle_of
        A session and a bundle's number -> the bundle; raises where this process has another one.
    references
        What bundles teach.

    Raises :class:`~hemosight.service.errors.NothingThere` where there is no such project.
    """

    def __init__(
        self,
        project: int,
        database: Database,
        bundle_of: Callable[[Session, int], Bundle],
        references: References,
    ) -> None:
        self.project = project
        self._database = database
        self._bundle_of = bundle_of
        self._references = references
        self._lock = threading.RLock()
        self._learner: threading.Thread | None = None
        self._opinions: dict[int, Opinion] = {}
        self._load()

    # --- following the database ---

    def _load(self) -> None:
        writing = {number: (opinion.mine, opinion.told) for number, opinion in self._opinions.items()}
        with self._database.session() as session:
            # One moment for all queries, or an event could lie between two of them.
            session.connection(execution_options={"isolation_level": "REPEATABLE READ"})
            self._seen = events.newest(session, self.project)
            self._facts = loading.project(session, self.project)
            self.bundle = self._bundle_of(session, self._facts.bundle_id)
            self._questions = loading.questions(session, self.project)
            self._words = loading.standing(session, self.project)
            self._last_fact = loading.last_fact(session, self.project)
            self._roll = Roll(self.bundle.support.embeddings.dim)
            self._opinions = {}
            self._views: dict[int, tuple[tuple[int, ...], View]] = {}
            known = loading.images(session, self.project)
            self._roll.add([number for number, _ in known], [case for _, case in known], self._seen - 1)
            self._take_readings(session, self._seen - 1)
        self._looked = time.monotonic()
        for number, (mine, told) in writing.items():
            if number in self._questions and mine > told:
                opinion = self._opinion(number)
                opinion.mine, opinion.told = mine, told

    def catch_up(self) -> None:
        """Take in whatever happened since the last time."""
        with self._lock:
            away = time.monotonic() - self._looked > _AWAY
            self._looked = time.monotonic()
            if away:
                self._load()
                return
            with self._database.session() as session:
                newest = events.newest(session, self.project)
                if newest <= self._seen:
                    return
                news = events.since(session, self.project, self._seen, _NEWS)
                complete = len(news) < _NEWS and self._follow(session, news)
            if not complete:
                self._load()
            elif news:
                self._seen = max(self._seen, news[-1].id)
            self._wake()

    def _follow(self, session: Session, news: Sequence[Event]) -> bool:
        """Take in events; False where the desk has to be loaded anew."""
        kinds = {event.kind for event in news}
        stamp = news[-1].id if news else self._seen
        if "settings" in kinds:
            before, self._facts = self._facts, loading.project(session, self.project)
            if before != self._facts:
                for opinion in self._opinions.values():
                    opinion.stale = opinion.due = True
                    opinion.owe(self._seen)
        if "label_set" in kinds:
            self._questions = loading.questions(session, self.project)
            self._opinions = {
                number: opinion
                for number, opinion in self._opinions.items()
                if number in self._questions and self._questions[number].names == opinion.names
            }
            for number, opinion in self._opinions.items():
                opinion.question = self._questions[number]
            self._views.clear()
        if "images" in kinds and not self._take_images(session, stamp):
            return False
        if kinds & {"images", "readings"}:
            for rows in self._take_readings(session, stamp):
                for opinion in self._opinions.values():
                    opinion.arrive(rows, stamp)
                    if opinion.pending:
                        opinion.owe(self._seen)
        if "labels" in kinds and not self._take_facts(session, stamp):
            return False
        for event in news:
            if event.kind == "taught":
                self._expect(event)
        return True

    def _take_images(self, session: Session, stamp: int) -> bool:
        roll = self._roll
        newest = int(roll.ids[: roll.count].max(initial=0))
        more = loading.images(session, self.project, newest)
        if loading.count(session, self.project) != roll.count + len(more):
            # Uploads side by side commit out of order, or a cancelled one took images back.
            everything = loading.images(session, self.project)
            if len({number for number, _ in everything} & roll.row_of.keys()) < roll.count:
                return False
            more = [(number, case) for number, case in everything if number not in roll.row_of]
        roll.add([number for number, _ in more], [case for _, case in more], stamp)
        return True

    def _take_readings(self, session: Session, stamp: int) -> list[NDArray[np.int64]]:
        waiting = self._roll.ids[: self._roll.count][self._roll.status[: self._roll.count] == 0].tolist()
        taken = []
        for part in loading.readings(session, self._facts.bundle_id, waiting):
            rows = self._roll.rows(part.images)
            self._roll.read(rows, part.vectors, part.novelty, part.places, stamp)
            taken.append(rows)
        return taken

    def _take_facts(self, session: Session, stamp: int) -> bool:
        for fact in loading.facts(session, self.project, self._last_fact):
            self._words.setdefault(fact.label_set, {})[fact.image] = fact.word
            self._last_fact = fact.word.version
            if fact.image not in self._roll.row_of:
                return False
            opinion = self._opinions.get(fact.label_set)
            if opinion is None:
                continue
            try:
                opinion.hear(self._roll.row_of[fact.image], fact.word, stamp)
            except KeyError:  # a class that was added meanwhile
                self._questions = loading.questions(session, self.project)
                del self._opinions[fact.label_set]
                continue
            if opinion.pending:
                opinion.owe(self._seen)
        return True

    def _expect(self, event: Event) -> None:
        """Another process has taught its reader this far: browsers are about to ask for what moved."""
        for opinion in self._opinions.values():
            if opinion.question.name != event.data["label_set"]:
                continue
            if opinion.heard < event.data["revision"]:
                opinion.due = opinion.owed_from is not None
            if opinion.mine <= opinion.told:
                opinion.untold.clear()  # others tell what moves here

    # --- learning ---

    def learn(self, label_set: str, fact: int) -> None:
        """Take in facts that this process has written, up to ``fact``.

        When the reader has followed, browsers are told what moved: by the process that wrote, so that it is said once.
        """
        with self._lock:
            self.catch_up()
            opinion = self._opinion(self._question(label_set).id)
            opinion.mine = max(opinion.mine, fact)
            # Whoever looked in between has let the reader learn it already.
            news = self._news(opinion)
        if news is not None:
            self._tell(*news)

    def _news(self, opinion: Opinion) -> tuple[str, int, list[list[object]]] | None:
        """What to tell browsers now; None where this process has nothing to tell. Call it with the lock held."""
        if not opinion.told < opinion.mine <= opinion.heard:
            return None
        names, opinion.told = (*opinion.names, None), opinion.heard
        moved, opinion.untold = opinion.untold, {}
        entries: list[list[object]] = [
            [image, names[one], names[other], round(probability, 4)]
            for image, (one, other, probability) in moved.items()
        ]
        return opinion.question.name, opinion.heard, entries

    def _opinion(self, number: int) -> Opinion:
        """The opinion of a label set, made at first need. Call it with the lock held."""
        if number not in self._opinions:
            question, roll = self._questions[number], self._roll
            reader = self._alone(question)
            opinion = Opinion(question, roll, reader, self._seen)
            # Older than the floor: whoever has seen this event has seen all of this.
            old = self._seen - 1
            opinion.arrive(np.arange(roll.count), old)
            for image, word in self._words.get(number, {}).items():
                if image in roll.row_of:
                    opinion.hear(roll.row_of[image], word, old)
            opinion.pending = {row: code for row, code in opinion.pending.items() if code >= 0}
            if opinion.pending:
                opinion.due = True
                opinion.owe(self._seen)
            self._opinions[number] = opinion
            self._wake()
        return self._opinions[number]

    def _alone(self, question: Question) -> Reader | None:
        """The bundle's reader with the columns of a label set."""
        reader = self.bundle.readers.get(question.name) if question.kind == "bundle" else None
        return None if reader is None else reader.over(question.names)

    def _wake(self) -> None:
        if self._learner is None and any(opinion.pending or opinion.stale for opinion in self._opinions.values()):
            self._learner = threading.Thread(target=self._learn_all, name=f"desk {self.project}", daemon=True)
            self._learner.start()

    def _learn_all(self) -> None:
        while True:
            with self._lock:
                owing = [opinion for opinion in self._opinions.values() if opinion.pending or opinion.stale]
                if not owing:
                    self._learner = None
                    return
            try:
                self._learn(owing[0])
            except Exception:
                log.exception("learning_failed", project=self.project)
                with self._lock:
                    for opinion in owing:
                        opinion.settled.set()
                    self._opinions.clear()  # made anew from the facts when somebody looks
                    self._learner = None
                return

    def _learn(self, opinion: Opinion) -> None:
        with self._lock:
            pending, opinion.pending, opinion.stale = opinion.pending, {}, False
            heard, seen, facts, count = self._last_fact, self._seen, self._facts, self._roll.count
            stamp = seen if seen > opinion.floor or opinion.fits else seen - 1
            roll, read = self._roll, np.flatnonzero(self._roll.status[: self._roll.count] == READ)
        own = opinion.question.kind == "own"
        with opinion.learning, one_thread():
            if opinion.lessons is None:
                reference = None if own else self._references.get(self.bundle, opinion.question.name)
                opinion.lessons = Lessons(
                    opinion.names, lambda cells: roll.vectors[cells], roll.vectors.shape[1], reference
                )
            lessons = opinion.lessons
            lessons.teach(list(pending), list(pending.values()))
            reader = lessons.reader(facts.weight if facts.teaching or own else 0.0)
            probabilities = None
            if reader is not None:
                vectors = roll.vectors
                parts = [
                    reader.probabilities(vectors[start : min(start + _BLOCK, count)]).astype(np.float32)
                    for start in range(0, count, _BLOCK)
                ]
                probabilities = np.concatenate([*parts, np.zeros((0, len(opinion.names)), np.float32)])[read]
        with self._lock:
            if self._opinions.get(opinion.question.id) is not opinion:
                return  # the desk was loaded anew meanwhile
            self._install(opinion, reader, probabilities, read, stamp)
            opinion.heard = heard
            opinion.taught = heard if len(lessons) and (facts.teaching or own) else 0
            opinion.fits += 1
            if not opinion.pending and not opinion.stale:
                opinion.owed_from, opinion.due = None, False
                opinion.settled.set()
            news = self._news(opinion)
        if news is not None:
            self._tell(*news)

    def _install(
        self,
        opinion: Opinion,
        reader: Reader | None,
        probabilities: NDArray[np.float32] | None,
        read: NDArray[np.int64],
        stamp: int,
    ) -> None:
        """New predictions in place; notes what moved."""
        roll, opinion.reader = self._roll, reader
        if probabilities is None or reader is None:
            opinion.forget(stamp)
            return
        before = opinion.put(read, probabilities, stamp)
        now = np.flatnonzero(roll.status[: roll.count] == READ)
        late = now[~np.isin(now, read)]
        if len(late):
            opinion.put(late, reader.probabilities(roll.vectors[late]).astype(np.float32), self._seen)
        after = opinion.predicted[read]
        for at in np.flatnonzero((before != after) & (opinion.label[read] == NOTHING)).tolist():
            image, to = int(roll.ids[read[at]]), int(after[at])
            origin = opinion.untold.get(image, (int(before[at]), 0, 0.0))[0]
            opinion.untold[image] = (origin, to, float(probabilities[at, to]))
            if origin == to:
                del opinion.untold[image]

    def _tell(self, label_set: str, heard: int, moved: list[list[object]]) -> None:
        told = (
            select(Event.id)
            .where(Event.project_id == self.project, Event.kind == "taught")
            .where(Event.data["label_set"].astext == label_set)
            .where(cast(Event.data["revision"].astext, BigInteger) >= heard)
        )
        with self._database.session() as session:
            events.take_turn(session, self.project)
            if session.scalar(told.limit(1)) is None:  # else another process learnt as much, and said so
                shown = {"moved": moved[:MOVED_SHOWN], "moved_count": len(moved)}
                facts = {"label_set": label_set, "revision": heard, **shown}
                events.tell(session, self.project, "taught", facts)

    # --- looking ---

    @property
    def questions(self) -> tuple[Question, ...]:
        """The label sets, in the order in which they were made."""
        with self._lock:
            return tuple(self._questions.values())

    def question(self, label_set: str) -> Question:
        """A label set by name. Raises :class:`~hemosight.service.errors.NothingThere`."""
        self.catch_up()
        with self._lock:
            return self._question(label_set)

    def _question(self, label_set: str) -> Question:
        for question in self._questions.values():
            if question.name == label_set:
                return question
        raise NothingThere(kind="a label set of this project")

    def settle(self, label_set: str, patience: float = PATIENCE) -> bool:
        """Wait until predictions have followed every label known so far; False where it took too long."""
        self.catch_up()
        with self._lock:
            settled = self._opinion(self._question(label_set).id).settled
        return settled.wait(patience)

    def view(self, label_set: str) -> View:
        """The project as it is now. Raises :class:`~hemosight.service.errors.NothingThere` for an unknown label set."""
        self.catch_up()
        with self._lock:
            opinion = self._opinion(self._question(label_set).id)
            settled, due = opinion.settled, opinion.due
        if due:
            settled.wait(PATIENCE)
        with self._lock:
            number = self._question(label_set).id
            opinion = self._opinion(number)
            moment = (self._seen, self._last_fact, self._roll.count, opinion.fits, id(opinion))
            if number not in self._views or self._views[number][0] != moment:
                revision = self._seen if opinion.owed_from is None else opinion.owed_from
                self._views[number] = (moment, view(self._roll, opinion, revision))
            return self._views[number][1]

    def sight(self, label_set: str, images: Sequence[int]) -> tuple[list[Sight], int]:
        """What each image is read as now, and the fact that the reader had learnt last."""
        seen = self.view(label_set)
        at = np.minimum(np.searchsorted(seen.ids, images), max(len(seen.ids) - 1, 0))
        names, found = seen.question.names, []
        for image, row in zip(images, at.tolist(), strict=True):
            known = len(seen.ids) and seen.ids[row] == image and seen.predicted[row] >= 0
            found.append(
                Sight(names[seen.predicted[row]], float(seen.probability[row])) if known else Sight(None, None)
            )
        return found, seen.taught

    def answers(self, image: int) -> dict[str, Answer]:
        """What every label set says of an image. Raises :class:`~hemosight.service.errors.NothingThere`."""
        self.catch_up()
        with self._lock:
            taught = [question.id for question in self._questions.values() if self._words.get(question.id)]
            due = [self._opinion(number) for number in taught]
        for opinion in due:
            if opinion.due:
                opinion.settled.wait(PATIENCE)
        with self._lock:
            row = self._roll.row_of.get(image)
            if row is None:
                raise NothingThere(kind="an image of this project")
            return {question.name: self._answer(question, image, row) for question in self._questions.values()}

    def _answer(self, question: Question, image: int, row: int) -> Answer:
        word = self._words.get(question.id, {}).get(image, Word(None, 0, -1))
        opinion = self._opinions.get(question.id)
        reader = self._alone(question) if opinion is None else opinion.reader
        probabilities: dict[str, float] = {}
        if reader is not None and self._roll.status[row] == READ:
            values = reader.probabilities(self._roll.vectors[row : row + 1])[0]
            probabilities = dict(zip(reader.classes, (float(value) for value in values), strict=True))
        return Answer(
            label=word.label,
            version=word.version,
            by=word.by if word.by >= 0 else None,
            predicted=max(probabilities, key=lambda name: probabilities[name]) if probabilities else None,
            probabilities=probabilities,
            revision=0 if opinion is None else opinion.taught,
        )

    def reader(self, label_set: str) -> Reader | None:
        """What reads a label set now; None where nothing has been learnt of it. Raises as :meth:`question`."""
        self.settle(label_set)
        with self._lock:
            return self._opinion(self._question(label_set).id).reader

    def vector(self, image: int) -> NDArray[np.float32] | None:
        """An image's vector; None where it is not read. Raises :class:`~hemosight.service.errors.NothingThere`."""
        self.catch_up()
        with self._lock:
            row = self._roll.row_of.get(image)
            if row is None:
                raise NothingThere(kind="an image of this project")
            return self._roll.vectors[row].copy() if self._roll.status[row] == READ else None

    def score(self, label_set: str) -> tuple[Scores | None, int]:
        """How well labelled cells are read by readers that learnt from all others, and the last fact learnt.

        No score where there are fewer than two classes of two cells. It is worked out once for every refit.
        """
        self.settle(label_set)
        with self._lock:
            opinion, weight = self._opinion(self._question(label_set).id), self._facts.weight
            lessons, names, fits, taught = (
                opinion.lessons,
                np.array(opinion.names, np.str_),
                opinion.fits,
                opinion.taught,
            )
            if lessons is None or (opinion.score is not None and opinion.score[0] == fits):
                return (None if opinion.score is None else opinion.score[1]), taught
        with opinion.learning:
            left = lessons.left_out(weight)
        enough = len(np.unique(left.truth)) >= 2
        score = scores(names[left.truth], names[left.read]) if enough else None
        with self._lock:
            opinion.score = (fits, score)
        return score, taught

    @property
    def size(self) -> int:
        """Bytes held."""
        with self._lock:
            return self._roll.size + sum(opinion.size for opinion in self._opinions.values())

    @property
    def bundle_id(self) -> int:
        """The number of the project's bundle."""
        with self._lock:
            return self._facts.bundle_id

    @property
    def weight(self) -> float:
        """How many reference cells a label counts for; 0 where teaching is off."""
        with self._lock:
            return self._facts.weight if self._facts.teaching else 0.0
