import { Alert, Button, Code, Group, List, Stack, Text } from '@mantine/core'
import { IconAlertTriangle, IconLock, IconMapPinOff, IconPlugConnectedX } from '@tabler/icons-react'
import { RequestError } from '../api/problem'

interface Properties {
  error: unknown
  retry?: () => void
}

/** What could not be shown, why, and what to do about it. */
export function Failed({ error, retry }: Properties) {
  const { title, icon, advice } = explained(error)
  const details = error instanceof RequestError ? (error.problem?.errors ?? []) : []
  return (
    <Alert
      variant="light"
      color={error instanceof RequestError && error.status === 403 ? 'gray' : 'red'}
      title={title}
      icon={icon}
      role="alert"
      m="md"
    >
      <Stack gap="xs" align="flex-start">
        <Text size="sm">{error instanceof Error ? error.message : String(error)}</Text>
        {details.length > 0 && (
          <List size="sm">
            {details.map((detail) => (
              <List.Item key={`${detail.location ?? ''}${detail.message ?? ''}`}>
                {detail.location && <Code>{detail.location}</Code>} {detail.message}
              </List.Item>
            ))}
          </List>
        )}
        {advice && <Text size="sm">{advice}</Text>}
        <Group gap="sm">
          {retry && (
            <Button variant="default" onClick={retry}>
              Try again
            </Button>
          )}
          {error instanceof RequestError && error.requestId && (
            <Text size="xs" c="dimmed">
              Request {error.requestId}, as it is in the hub’s log
            </Text>
          )}
        </Group>
      </Stack>
    </Alert>
  )
}

function explained(error: unknown) {
  const status = error instanceof RequestError ? error.status : -1
  switch (status) {
    case 0:
      return {
        title: 'The hub does not answer',
        icon: <IconPlugConnectedX />,
        advice:
          'The connection may be gone, or the hub is being restarted. What is shown elsewhere on the page is what was read last.',
      }
    case 403:
      return {
        title: 'You may not see this',
        icon: <IconLock />,
        advice:
          'Rights are those of Kubernetes’ RBAC, on resources of the group pac.weave.works. Ask a platform engineer for a RoleBinding in your namespaces; docs/hub-api.md has one to copy.',
      }
    case 404:
      return {
        title: 'It is not there',
        icon: <IconMapPinOff />,
        advice: 'It may be gone, never have been, or be somebody else’s.',
      }
    case 429:
      return { title: 'That was too much at once', icon: <IconAlertTriangle />, advice: 'Wait some seconds, then try again.' }
    case 503:
      return {
        title: 'The hub cannot answer now',
        icon: <IconPlugConnectedX />,
        advice: 'Try again in a moment. Agents keep what they find until the hub takes it.',
      }
    default:
      return { title: 'This could not be shown', icon: <IconAlertTriangle />, advice: undefined }
  }
}
