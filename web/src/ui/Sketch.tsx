/** Line drawings for screens that hold nothing yet: what will be there. */

/** Nuclei as they are drawn in a cell of 40 pixels: three lobes, round, bent, two lobes. */
const NUCLEI = [
  "M13 16a5 5 0 1 1 6 5l3 1a5 5 0 1 1-1 7l-4-2a5 5 0 1 1-5-6z",
  "M12 20a8.5 8.5 0 1 1 17 0a8.5 8.5 0 1 1-17 0z",
  "M12 22c-1-8 6-13 13-9c5 3 4 8 0 9c-4 1-4 2-4 5c-1 5-8 2-9-5z",
  "M12 18a5.5 5.5 0 1 1 9 3q-1 2 1 2a5 5 0 1 1-3 4q0-2-2-3a5.5 5.5 0 0 1-5-6z",
];

function Cell({ x, y, kind }: { x: number; y: number; kind: number }) {
  return (
    <g transform={`translate(${x} ${y})`}>
      <rect width="40" height="40" rx="2" className="sketch-crop" />
      <circle cx="20.5" cy="20" r="14" className="sketch-cell" />
      <path d={NUCLEI[kind]} className="sketch-nucleus" />
    </g>
  );
}

const CROPS = [0, 1, 0, 2, 3, 1, 0, 0, 2, 1];
const LINES = [
  { kind: 0, count: 5 },
  { kind: 1, count: 3 },
  { kind: 2, count: 2 },
];

/** Crops as they come, sorted into bins, or counted. */
export function Sketch({ of }: { of: "crops" | "bins" | "report" }) {
  return (
    <svg className="sketch" viewBox="0 0 232 130" width={232} height={130} aria-hidden="true" focusable="false">
      {of === "crops" &&
        CROPS.map((kind, at) => (
          <Cell key={`${at}`} x={6 + (at % 5) * 45} y={20 + 46 * (at < 5 ? 0 : 1)} kind={kind} />
        ))}
      {of === "bins" &&
        LINES.map(({ kind, count }, line) => (
          <g key={kind} transform={`translate(0 ${line * 44})`}>
            <rect x="2" y="2" width="4" height="40" rx="2" className={`sketch-bar sketch-bar-${kind}`} />
            {Array.from({ length: count }, (_, at) => (
              <Cell key={`${at + 1}`} x={12 + at * 44} y={2} kind={kind} />
            ))}
          </g>
        ))}
      {of === "report" && (
        <>
          <rect x="50" y="2" width="132" height="126" rx="4" className="sketch-crop" />
          <path d="M64 20h56M64 30h34" className="sketch-line" />
          {[74, 42, 18, 9].map((width, line) => (
            <g key={width} transform={`translate(64 ${48 + line * 16})`}>
              <rect width="104" height="6" rx="3" className="sketch-track" />
              <rect width={width} height="6" rx="3" className={`sketch-bar sketch-bar-${line}`} />
            </g>
          ))}
          <path d="M122 118c6-9 9-9 8-2s4 2 8-3s4 5 8 3s8-3 18-2" className="sketch-line" />
        </>
      )}
    </svg>
  );
}
