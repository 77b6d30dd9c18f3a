import { Stack, Text } from '@mantine/core'
import { IconCircleCheck, IconInbox } from '@tabler/icons-react'
import type { ReactNode } from 'react'

interface Properties {
  title: string
  /** What it means, and what to do. */
  children?: ReactNode
  /** Nothing here is good news. */
  good?: boolean
}

/** Where nothing is to be shown. */
export function Empty({ title, children, good }: Properties) {
  return (
    <Stack align="center" gap={6} py="xl" px="md" ta="center">
      {good ? (
        <IconCircleCheck size={28} color="var(--assay-good)" aria-hidden />
      ) : (
        <IconInbox size={28} color="var(--mantine-color-dimmed)" aria-hidden />
      )}
      <Text fw={600}>{title}</Text>
      {children && (
        <Text className="sentence" size="sm" c="dimmed" maw="60ch" component="div">
          {children}
        </Text>
      )}
    </Stack>
  )
}
