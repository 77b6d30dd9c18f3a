import { Tooltip } from '@mantine/core'
import { useSyncExternalStore } from 'react'

const relative = new Intl.RelativeTimeFormat('en', { numeric: 'auto', style: 'short' })
const local = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'short' })

/** A time in words from now, such as "3 days ago". */
export function ago(time: Date, now: Date): string {
  const seconds = (time.getTime() - now.getTime()) / 1000
  const units = [
    ['year', 365 * 86400],
    ['month', 30 * 86400],
    ['day', 86400],
    ['hour', 3600],
    ['minute', 60],
  ] as const
  for (const [unit, size] of units) {
    if (Math.abs(seconds) >= size) return relative.format(Math.trunc(seconds / size), unit)
  }
  return seconds > 0 ? 'in a moment' : 'just now'
}

let now = new Date()
const listeners = new Set<() => void>()
let ticking: ReturnType<typeof setInterval> | undefined

// One clock for all times on the page.
function subscribe(listener: () => void): () => void {
  listeners.add(listener)
  ticking ??= setInterval(() => {
    now = new Date()
    for (const each of listeners) each()
  }, 30_000)
  return () => {
    listeners.delete(listener)
    if (listeners.size === 0) {
      clearInterval(ticking)
      ticking = undefined
    }
  }
}

/** The time now, to half a minute. */
export function useNow(): Date {
  return useSyncExternalStore(subscribe, () => (Math.abs(Date.now() - now.getTime()) > 60_000 ? (now = new Date()) : now))
}

interface Properties {
  /** RFC 3339. */
  at: string | undefined
  /** The date and time instead of how long ago. */
  exact?: boolean
}

/** A time: how long ago, with the local time and UTC on hover, on focus and for screen readers. */
export function Time({ at, exact }: Properties) {
  const current = useNow()
  const time = new Date(at ?? '')
  if (at === undefined || Number.isNaN(time.getTime()) || time.getUTCFullYear() < 1971) return <span>–</span>
  return (
    <Tooltip label={`${local.format(time)} · ${time.toISOString().replace('.000', '')}`}>
      <time dateTime={at} style={{ whiteSpace: 'nowrap' }}>
        {exact ? local.format(time) : ago(time, current)}
      </time>
    </Tooltip>
  )
}
