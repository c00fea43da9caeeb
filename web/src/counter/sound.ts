/** Sounds of the counter, made on the spot: a tick for a key, two tones at the target, a low one where a key does nothing. */

let speaker: AudioContext | null = null;

function tone(pitch: number, after: number, lasts: number): void {
  speaker ??= new AudioContext();
  void speaker.resume();
  const from = speaker.currentTime + after;
  const wave = speaker.createOscillator();
  const loud = speaker.createGain();
  wave.frequency.value = pitch;
  loud.gain.setValueAtTime(0.12, from);
  loud.gain.exponentialRampToValueAtTime(0.001, from + lasts);
  wave.connect(loud).connect(speaker.destination);
  wave.start(from);
  wave.stop(from + lasts);
}

export const SOUNDS = {
  cell: () => tone(880, 0, 0.05),
  apart: () => tone(587, 0, 0.05),
  back: () => tone(330, 0, 0.12),
  nothing: () => tone(180, 0, 0.15),
  target: () => {
    tone(880, 0, 0.25);
    tone(1175, 0.2, 0.5);
  },
};
