import type { ReactNode } from 'react'
import classes from './Counts.module.css'
import { count } from './number'

interface Properties {
  /** The longest bar is the highest count. */
  counts: { key: string; label: ReactNode; count: number }[]
  label: string
}

/** Names with their counts, and a bar for each. */
export function Counts({ counts, label }: Properties) {
  const most = Math.max(1, ...counts.map((c) => c.count))
  return (
    <ul className={classes.list} aria-label={label}>
      {counts.map((c) => (
        <li key={c.key} className={classes.line}>
          <span className={classes.label}>{c.label}</span>
          <span className={classes.count}>{count(c.count)}</span>
          <span className={classes.bar} aria-hidden style={{ width: `${(100 * c.count) / most}%` }} />
        </li>
      ))}
    </ul>
  )
}
