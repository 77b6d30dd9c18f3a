import { Alert } from '@mantine/core'
import { IconAlertTriangle } from '@tabler/icons-react'
import type { Schemas } from '../api/client'

/** Says what a list could not be made of, such as a cluster that is away. */
export function Partial({ errors }: { errors: Schemas['ListError'][] | undefined }) {
  if (!errors || errors.length === 0) return null
  return (
    <Alert
      variant="light"
      color="yellow"
      icon={<IconAlertTriangle />}
      title="This is not all"
      role="status"
      // Yellow on yellow is too faint to read.
      styles={{ title: { color: 'var(--mantine-color-text)' } }}
    >
      {errors.map((error) => (
        <div key={`${error.clusterName} ${error.message}`}>
          {error.clusterName}: {error.message}
        </div>
      ))}
    </Alert>
  )
}
