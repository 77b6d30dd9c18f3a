import { Button, Group, Stack, Text } from '@mantine/core'
import { useMutation, useQueryClient } from '@tanstack/react-query'
import type { Schemas } from '../../api/client'
import { may, useSession } from '../../api/session'
import { Failed } from '../../ui/Failed'
import { Section } from '../../ui/Section'
import { To } from '../../ui/To'
import { askImpact, enforced, policyAsItIs } from '../impact/policy'
import { Result } from '../impact/Result'

/** What would be refused if the policy refused. It is asked for by a button, as the cluster is judged for it. */
export function Enforcing({ id, modes }: { id: string; modes: Schemas['PolicyObject']['modes'] }) {
  const session = useSession()
  const queries = useQueryClient()
  const asked = useMutation({
    mutationFn: async () => {
      const policy = await queries.query(policyAsItIs(id))
      if (!policy) throw new Error('No agent has told the hub how the policy is written. Paste its YAML at Impact.')
      return askImpact([enforced(policy)])
    },
  })
  if (!may(session, 'violations')) return null
  // Something is refused at admission only. "Nothing would change" would be true, and would mislead.
  if (!modes.includes('admission')) {
    return (
      <Section title="If it refused">
        <Text size="sm">
          Nothing would be refused: the policy does not act at admission. A policy set has to choose it for that first.
        </Text>
      </Section>
    )
  }
  return (
    <Section
      title="If it refused"
      actions={
        <To to="/impact" search={{ policy: id, enforce: 'true' }} fz="sm">
          Change it before
        </To>
      }
    >
      <Stack gap="sm">
        {!asked.data && (
          <Group gap="sm">
            <Button variant="default" loading={asked.isPending} onClick={() => asked.mutate()}>
              Show what would be refused
            </Button>
            <Text size="sm" c="dimmed">
              Judges what the cluster runs; nothing is changed.
            </Text>
          </Group>
        )}
        {asked.error && <Failed error={asked.error} />}
        {asked.data && <Result impact={asked.data} />}
      </Stack>
    </Section>
  )
}
