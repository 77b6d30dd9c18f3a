import {
  IconAlertOctagon,
  IconAlertTriangle,
  IconCircleCheck,
  IconCircleDashed,
  IconCircleDot,
  IconInfoCircle,
  IconShieldCheck,
  IconShieldHalf,
  type Icon,
} from '@tabler/icons-react'
import classes from './Marks.module.css'

type Tone = 'high' | 'medium' | 'low' | 'good' | 'neutral'

/** A word in a coloured field. The sign before it says the same to who does not see colours. */
export function Mark({
  tone,
  icon: Sign,
  children,
  title,
}: {
  tone: Tone
  icon?: Icon
  children: React.ReactNode
  title?: string
}) {
  return (
    <span className={classes.mark} data-tone={tone} title={title}>
      {Sign && <Sign size={13} stroke={2.2} aria-hidden />}
      {children}
    </span>
  )
}

/** Counts by severity, the highest first: a list of severities has always the same order. */
export function bySeverity<T extends { value: string }>(counts: readonly T[]): T[] {
  const rank = (value: string) => (['high', 'medium', 'low'].indexOf(value) + 4) % 4
  return [...counts].sort((a, b) => rank(a.value) - rank(b.value))
}

export function Severity({ value }: { value: string }) {
  const icons: Record<string, Icon> = { high: IconAlertOctagon, medium: IconAlertTriangle, low: IconInfoCircle }
  return (
    <Mark
      tone={value === 'high' || value === 'medium' || value === 'low' ? value : 'neutral'}
      icon={icons[value] ?? IconCircleDashed}
    >
      {value === '' ? 'unknown' : value}
    </Mark>
  )
}

export function Status({ value, resolution }: { value: string; resolution?: string | undefined }) {
  switch (value) {
    case 'open':
      return (
        <Mark tone="medium" icon={IconCircleDot}>
          open
        </Mark>
      )
    case 'excepted':
      return (
        <Mark tone="low" icon={IconShieldHalf} {...(resolution ? { title: resolution } : {})}>
          excepted
        </Mark>
      )
    default:
      return (
        <Mark
          tone={resolution === 'denied' ? 'neutral' : 'good'}
          icon={resolution === 'denied' ? IconShieldCheck : IconCircleCheck}
          {...(resolution ? { title: resolution } : {})}
        >
          {resolution === 'denied' ? 'denied' : value}
        </Mark>
      )
  }
}

/** Whether the agent works by an object (condition Ready). */
export function Ready({ state }: { state: { ready: string; message?: string | undefined } }) {
  const more = state.message ? { title: state.message } : {}
  if (state.ready === 'True') {
    return (
      <Mark tone="good" icon={IconCircleCheck} {...more}>
        ready
      </Mark>
    )
  }
  return (
    <Mark
      tone={state.ready === 'False' ? 'high' : 'neutral'}
      icon={state.ready === 'False' ? IconAlertOctagon : IconCircleDashed}
      {...more}
    >
      {state.ready === 'False' ? 'not ready' : 'not known'}
    </Mark>
  )
}
