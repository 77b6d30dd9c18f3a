import { Anchor, Breadcrumbs, Group, Stack, Text, Title } from '@mantine/core'
import { Link } from '@tanstack/react-router'
import { type ReactNode, useEffect } from 'react'

interface Properties {
  title: string
  /** A sentence below the title. */
  about?: ReactNode
  /** Where the page is: label and address of the pages above it. */
  above?: { label: string; to: string }[]
  /** Beside the title: badges. */
  beside?: ReactNode
  /** At the end of the title's line: buttons. */
  actions?: ReactNode
  children: ReactNode
}

/** What all pages have: a title, also of the window, and where they are. */
export function Page({ title, about, above, beside, actions, children }: Properties) {
  useEffect(() => {
    document.title = `${title} · Assay`
  }, [title])
  return (
    <Stack gap="md" p={{ base: 'sm', sm: 'lg' }} maw={1680} mx="auto">
      <div>
        {above && (
          <Breadcrumbs mb={4} fz="sm" separatorMargin={6}>
            {above.map(({ label, to }) => (
              <Anchor key={to} fz="sm" renderRoot={(props) => <Link to={to} {...props} />}>
                {label}
              </Anchor>
            ))}
          </Breadcrumbs>
        )}
        <Group justify="space-between" align="flex-start" gap="sm">
          <Group gap="sm" align="center" style={{ minWidth: 0, flex: '1 1 auto' }}>
            <Title order={1} style={{ overflowWrap: 'anywhere' }}>
              {title}
            </Title>
            {beside}
          </Group>
          {actions && (
            <Group gap="xs" className="no-print">
              {actions}
            </Group>
          )}
        </Group>
        {about && (
          <Text className="sentence" c="dimmed" size="sm" mt={4} maw="80ch" component="div">
            {about}
          </Text>
        )}
      </div>
      {children}
    </Stack>
  )
}
