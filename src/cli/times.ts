/** Times as people read them: local, with the zone. */

/** `2026-11-22 03:30:00 +01:00`: local time with its offset from UTC, to the second. A WHEN takes it as it stands. */
export function formatTime(date: Date): string {
  const ahead = -date.getTimezoneOffset();
  const zone = `${ahead < 0 ? '-' : '+'}${two(Math.trunc(Math.abs(ahead) / 60))}:${two(Math.abs(ahead) % 60)}`;
  const day = `${String(date.getFullYear()).padStart(4, '0')}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
  return `${day} ${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())} ${zone}`;
}

function two(number: number): string {
  return String(number).padStart(2, '0');
}
