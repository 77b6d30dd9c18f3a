import { Anchor, Stack, Text, Title } from '@mantine/core'
import { Link } from '@tanstack/react-router'

/** What an address without a page shows. */
export function NotFound() {
  return (
    <Stack p="xl" gap="xs">
      <Title order={1}>There is no such page</Title>
      <Text>
        The address may be mistyped, or from another version. Go to the{' '}
        <Anchor renderRoot={(props) => <Link to="/" {...props} />}>overview</Anchor>, or find what you look for with Ctrl-K.
      </Text>
    </Stack>
  )
}
