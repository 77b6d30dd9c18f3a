import { Alert, Button, Group, List, NativeSelect, Stack, Text } from '@mantine/core'
import { useMutation, useQuery } from '@tanstack/react-query'
import { createLazyRoute } from '@tanstack/react-router'
import { useState } from 'react'
import { stringify } from 'yaml'
import { reading } from '../../api/client'
import { CodeView } from '../../ui/CodeView'
import { Empty } from '../../ui/Empty'
import { Failed } from '../../ui/Failed'
import { Loaded } from '../../ui/Loaded'
import { Page } from '../../ui/Page'
import { Section } from '../../ui/Section'
import { edited, type Mistake, mistakesOf } from './edited'
import { askImpact, enforced, policyAsItIs } from './policy'
import { Result } from './Result'

export const route = createLazyRoute('/inside/impact')({ component: ImpactPage })

function ImpactPage() {
  const search = route.useSearch()
  const navigate = route.useNavigate()
  const policies = useQuery(reading('/v1/policies', { query: { limit: 1000 } }))
  const begin = useQuery({ ...policyAsItIs(search.policy ?? ''), enabled: search.policy !== undefined })
  return (
    <Page
      title="Impact"
      about="What a change of a policy, set, config or exception would do to what the hub’s own cluster runs. Nothing is changed."
      actions={
        <NativeSelect
          aria-label="Begin from a policy"
          value={search.policy ?? ''}
          data={[
            { value: '', label: 'Begin from nothing' },
            ...(policies.data?.policies ?? []).map((p) => ({ value: p.id, label: p.name })),
          ]}
          onChange={(event) => {
            const policy = event.currentTarget.value
            void navigate({
              to: '/impact',
              search: { ...(policy ? { policy } : {}), ...(search.days ? { days: search.days } : {}) },
            })
          }}
        />
      }
    >
      {policies.error && !policies.data ? (
        // An impact needs the same right, and would be refused as well.
        <Failed error={policies.error} retry={() => void policies.refetch()} />
      ) : search.policy === undefined ? (
        <Asked key="" start={'# Paste the YAML of policies, policy sets, policy configs or exceptions here.\n'} />
      ) : (
        <Loaded query={begin} lines={12}>
          {(object) => (
            <>
              {object === null && (
                <Empty title="How the policy is written is not known">
                  No agent has told the hub of it. Paste its YAML below.
                </Empty>
              )}
              <Asked
                // Another policy is another text.
                key={`${search.policy ?? ''} ${search.enforce ?? ''}`}
                start={object ? stringify(search.enforce ? enforced(object) : object, { lineWidth: 0 }) : ''}
              />
            </>
          )}
        </Loaded>
      )}
    </Page>
  )
}

function Asked({ start }: { start: string }) {
  const search = route.useSearch()
  const navigate = route.useNavigate()
  const [text, setText] = useState(start)
  // What was wrong with a text is about that text only: it goes when something is typed.
  const [wrong, setWrong] = useState<Mistake[]>([])
  const asked = useMutation({
    mutationFn: async (yaml: string) => {
      const { objects, mistakes } = edited(yaml)
      if (mistakes.length > 0) return { impact: undefined, mistakes, others: [] }
      const impact = await askImpact(objects, Number(search.days ?? 0))
      return { impact, ...mistakesOf(yaml, impact.errors) }
    },
    onSuccess: ({ mistakes }) => setWrong(mistakes),
  })
  const { impact, others } = asked.data ?? {}
  return (
    <Stack gap="md">
      <Section
        title="As it would be"
        actions={
          <Group gap="xs">
            <NativeSelect
              size="xs"
              aria-label="Past admissions"
              value={search.days ?? ''}
              data={[
                { value: '', label: 'Only what runs' },
                { value: '7', label: 'And 7 days of admission' },
                { value: '30', label: 'And 30 days of admission' },
                { value: '90', label: 'And 90 days of admission' },
              ]}
              onChange={(event) => {
                const days = (['7', '30', '90'] as const).find((d) => d === event.currentTarget.value)
                void navigate({ to: '/impact', search: { ...search, days }, replace: true })
              }}
            />
            <Button size="xs" loading={asked.isPending} onClick={() => asked.mutate(text)}>
              Show the impact
            </Button>
          </Group>
        }
      >
        <Stack gap="xs">
          <CodeView
            text={text}
            language="yaml"
            label="Policies, sets, configs or exceptions in YAML"
            maxHeight="50vh"
            marked={wrong.flatMap((m) => m.line ?? [])}
            onChange={(now) => {
              setText(now)
              if (wrong.length > 0) setWrong([])
            }}
          />
          <Text size="xs" c="dimmed">
            What has the kind and name of something in the cluster takes its place; the rest is added. Escape, then Tab leaves the
            editor.
          </Text>
          {wrong.length > 0 && (
            <Alert color="red" variant="light" title="This does not work as it is written" role="alert">
              <List size="sm">
                {wrong.map((m) => (
                  <List.Item key={`${m.line ?? ''} ${m.message}`}>
                    {m.line !== undefined && <b>Line {m.line}: </b>}
                    {m.message}
                  </List.Item>
                ))}
              </List>
            </Alert>
          )}
        </Stack>
      </Section>
      {asked.error && <Failed error={asked.error} retry={() => asked.mutate(text)} />}
      {/* What does not work is left out by the hub, so that the rest would look as if the policy were gone. */}
      {impact && asked.data?.mistakes.length === 0 && (
        <Section title="What would happen">
          {asked.variables !== text && (
            <Text size="sm" c="dimmed" mb="xs">
              This is of the text before you changed it.
            </Text>
          )}
          <Result impact={impact} errors={others ?? []} />
        </Section>
      )}
    </Stack>
  )
}
