import { Copy } from './Copy'
import classes from './Snippet.module.css'

/** A command or a small text to copy, as it is. */
export function Snippet({ text, label }: { text: string; label: string }) {
  return (
    <div className={classes.snippet}>
      {/* A box that scrolls must be reached by keyboard. */}
      {/* eslint-disable-next-line jsx-a11y/no-noninteractive-tabindex */}
      <pre className={classes.text} tabIndex={0} aria-label={label}>
        {text}
      </pre>
      <div className={classes.copy}>
        <Copy text={text} />
      </div>
    </div>
  )
}
