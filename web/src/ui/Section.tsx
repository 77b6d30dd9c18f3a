import { Group, Paper, Title } from '@mantine/core'
import { type ReactNode, useId } from 'react'

interface Properties {
  title: string
  /** At the end of the title's line. */
  actions?: ReactNode
  children: ReactNode
  /** Without room around the content, as tables have it. */
  flush?: boolean
}

/** A part of a page with a heading. */
export function Section({ title, actions, children, flush }: Properties) {
  const id = useId()
  return (
    <Paper component="section" aria-labelledby={id} style={{ overflow: 'hidden' }}>
      <Group justify="space-between" px="md" pt="sm" pb={flush ? 'sm' : 4} gap="xs">
        <Title order={2} id={id}>
          {title}
        </Title>
        {actions && <Group gap="xs">{actions}</Group>}
      </Group>
      {flush ? children : <div style={{ padding: '4px 16px 16px' }}>{children}</div>}
    </Paper>
  )
}
