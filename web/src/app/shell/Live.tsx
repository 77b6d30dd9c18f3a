import { Tooltip } from '@mantine/core'
import { useChanges } from '../../api/changes'
import classes from './Live.module.css'

const words = {
  live: 'Live: pages follow what agents report',
  connecting: 'Connecting to the stream of changes',
  away: 'Not live: the stream of changes is interrupted; it is tried again. Reload to read all anew.',
}

/** Whether what is shown follows what happens. */
export function Live() {
  const { state } = useChanges()
  return (
    <Tooltip label={words[state]}>
      <span className={classes.live} data-state={state} role="status">
        <span className={classes.sign} aria-hidden />
        <span className={classes.word}>{state === 'live' ? 'Live' : state === 'away' ? 'Not live' : 'Connecting'}</span>
        <span className="hidden-text">{words[state]}</span>
      </span>
    </Tooltip>
  )
}
