import { useState } from "react";
import { Form } from "react-bootstrap";

/** What may stand in the field, by how exact it is. */
const FORMS = {
  day: { pattern: "\\d{4}-\\d{2}-\\d{2}", shown: "YYYY-MM-DD" },
  minute: { pattern: "\\d{4}-\\d{2}-\\d{2}[ T]\\d{2}:\\d{2}", shown: "YYYY-MM-DD HH:MM" },
};

/** Whether a text is a day, or a day and time, that the calendar has. */
export function isDay(text: string, exact: keyof typeof FORMS = "day"): boolean {
  if (!new RegExp(`^${FORMS[exact].pattern}$`).test(text)) return false;
  // Half of the browsers take the 31st of February for the 3rd of March.
  const at = new Date(`${text.slice(0, 10)}T00:00:00Z`);
  if (Number.isNaN(at.getTime()) || at.toISOString().slice(0, 10) !== text.slice(0, 10)) return false;
  return exact === "day" || (Number(text.slice(11, 13)) < 24 && Number(text.slice(14, 16)) < 60);
}

/**
 * A day, or a day and time, as the page writes them everywhere. The browsers' own fields show digits, order and calendar
 * of their language, beside which the page's would be another day to a reader.
 */
export function DayField({
  id,
  label,
  exact = "day",
  value,
  change,
}: {
  id?: string;
  /** A name for a field without a visible one. */
  label?: string;
  exact?: keyof typeof FORMS;
  value: string;
  /** Called with what is a day, and with nothing when the field is emptied. */
  change: (day: string) => void;
}) {
  const [text, setText] = useState(value);
  const { pattern, shown } = FORMS[exact];
  const wrong = text !== "" && !isDay(text, exact);
  return (
    <Form.Control
      size="sm"
      className="day-field"
      id={id}
      aria-label={label}
      placeholder={shown}
      title={`As ${shown}`}
      pattern={pattern}
      maxLength={16}
      isInvalid={wrong && text.length >= shown.length}
      aria-invalid={wrong}
      value={text}
      onChange={(event) => {
        const now = event.target.value.trim();
        setText(event.target.value);
        if (now === "" || isDay(now, exact)) change(now);
      }}
    />
  );
}
