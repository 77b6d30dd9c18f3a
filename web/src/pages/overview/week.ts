import type { Schemas } from '../../api/client'

const day = 86_400_000

/** Midnight in UTC some days ago: the same all day, so that what is asked for stays the same question. */
export function daysAgo(days: number, now = new Date()): string {
  return new Date(Math.floor(now.getTime() / day) * day - days * day).toISOString().replace('.000', '')
}

/** What was opened in the last seven days, and in the seven before. */
export function weeks(days: Schemas['Day'][]): { now: number; before: number } {
  const opened = (some: Schemas['Day'][]) => some.reduce((sum, d) => sum + d.opened, 0)
  return { now: opened(days.slice(-7)), before: opened(days.slice(-14, -7)) }
}
