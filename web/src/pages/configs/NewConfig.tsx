import {
  Alert,
  Checkbox,
  CloseButton,
  Fieldset,
  Grid,
  Group,
  NativeSelect,
  Skeleton,
  Stack,
  TagsInput,
  Text,
  TextInput,
} from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { createLazyRoute } from '@tanstack/react-router'
import { lazy, Suspense, useState } from 'react'
import { reading, type Schemas } from '../../api/client'
import { may, useSession } from '../../api/session'
import { Loaded } from '../../ui/Loaded'
import { Page } from '../../ui/Page'
import { Section } from '../../ui/Section'
import { blank, type Draft, draftOf, objectOf, problem, ways } from './form'
import { beginning, ParameterField } from './ParameterField'

const Written = lazy(() => import('./Written').then((m) => ({ default: m.Written })))

export const route = createLazyRoute('/inside/new/policy-config')({ component: NewConfigPage })

function NewConfigPage() {
  const { edit } = route.useSearch()
  const existing = useQuery({
    ...reading('/v1/policy-configs/{name}', { path: { name: edit ?? '' }, query: {} }),
    enabled: edit !== undefined,
  })
  return (
    <Page
      title={edit === undefined ? 'New policy config' : `Change ${edit}`}
      above={[{ label: 'Policy configs', to: '/policy-configs' }]}
      about="The hub writes nothing into the cluster: take the YAML to where your policies are kept."
    >
      {edit === undefined ? (
        <Form key="" start={blank} />
      ) : (
        <Loaded query={existing} lines={10}>
          {(config) => <Form key={edit} start={draftOf(config)} />}
        </Loaded>
      )}
    </Page>
  )
}

const labels = { workspaces: 'Workspaces', namespaces: 'Namespaces', apps: 'Applications', resources: 'Resources' }
const hints = {
  workspaces: 'Names of workspaces.',
  namespaces: 'Names of namespaces.',
  apps: 'Kustomization/namespace/name or HelmRelease/namespace/name; without a namespace in any.',
  resources: 'Kind/namespace/name, as Deployment/shop/web; without a namespace in any.',
}

function Form({ start }: { start: Draft }) {
  const [draft, setDraft] = useState(start)
  const session = useSession()
  const policies = useQuery(reading('/v1/policies', { query: { limit: 1000 } }))
  const workspaces = useQuery({ ...reading('/v1/workspaces', {}), enabled: may(session, 'workspaces') })
  const wrong = problem(draft)
  return (
    <Grid gap="md">
      <Grid.Col span={{ base: 12, lg: 7 }}>
        <Stack gap="md">
          <Section title="For what">
            <Stack gap="sm">
              <TextInput
                label="Name"
                required
                value={draft.name}
                onChange={(event) => setDraft({ ...draft, name: event.currentTarget.value })}
              />
              <NativeSelect
                label="Matches by"
                value={draft.by}
                data={ways.map((value) => ({ value, label: labels[value] }))}
                onChange={(event) => {
                  const by = ways.find((way) => way === event.currentTarget.value) ?? 'workspaces'
                  // Names of one kind of thing are not those of another.
                  setDraft({ ...draft, by, targets: [] })
                }}
              />
              <TagsInput
                label={labels[draft.by]}
                description={hints[draft.by]}
                required
                acceptValueOnBlur
                data={draft.by === 'workspaces' ? (workspaces.data?.workspaces ?? []).map((w) => w.name) : []}
                value={draft.targets}
                onChange={(targets) => setDraft({ ...draft, targets })}
              />
            </Stack>
          </Section>
          <Section title="Parameters">
            <Loaded query={policies}>
              {(data) => (
                <Parameters policies={data.policies} values={draft.values} change={(values) => setDraft({ ...draft, values })} />
              )}
            </Loaded>
          </Section>
        </Stack>
      </Grid.Col>
      <Grid.Col span={{ base: 12, lg: 5 }}>
        <Section title="YAML">
          <Stack gap="sm">
            {wrong !== undefined && (
              <Alert variant="light" color="gray" title="Not complete" role="status">
                {wrong}
              </Alert>
            )}
            <Suspense fallback={<Skeleton height={160} />}>
              <Written object={objectOf(draft)} name={draft.name} ready={wrong === undefined} />
            </Suspense>
          </Stack>
        </Section>
      </Grid.Col>
    </Grid>
  )
}

type Values = Draft['values']

/** The chosen policies, each with its parameters, and a place to choose another. */
function Parameters({
  policies,
  values,
  change,
}: {
  policies: Schemas['PolicyObject'][]
  values: Values
  change: (v: Values) => void
}) {
  const without = (id: string) => Object.fromEntries(Object.entries(values).filter(([other]) => other !== id))
  return (
    <Stack gap="md">
      {Object.entries(values).map(([id, set]) => (
        <Fieldset key={id} legend={policies.find((p) => p.id === id)?.name ?? `${id} (there is no such policy)`} pos="relative">
          <CloseButton pos="absolute" top={0} right={8} aria-label={`Leave ${id} out`} onClick={() => change(without(id))} />
          <OfPolicy
            declared={policies.find((p) => p.id === id)?.parameters ?? undeclared(set)}
            set={set}
            change={(now) => change({ ...values, [id]: now })}
          />
        </Fieldset>
      ))}
      <NativeSelect
        label="Add a policy"
        value=""
        data={[
          { value: '', label: 'Choose one that has parameters' },
          ...policies.filter((p) => p.parameters.length > 0 && !(p.id in values)).map((p) => ({ value: p.id, label: p.name })),
        ]}
        onChange={(event) => {
          if (event.currentTarget.value) change({ ...values, [event.currentTarget.value]: {} })
        }}
      />
    </Stack>
  )
}

// A config may name what there is not any more: it is shown, so that it can be taken away.
function undeclared(set: Record<string, unknown>): Schemas['PolicyParameter'][] {
  return Object.entries(set).map(([name, value]) => ({ name, value, type: 'not declared', required: false }))
}

function OfPolicy({
  declared,
  set,
  change,
}: {
  declared: Schemas['PolicyParameter'][]
  set: Record<string, unknown>
  change: (set: Record<string, unknown>) => void
}) {
  const all = [...declared, ...undeclared(set).filter((p) => !declared.some((d) => d.name === p.name))]
  return (
    <Stack gap="sm">
      {all.map((p) => (
        <Group key={p.name} gap="sm" wrap="nowrap" align="flex-start">
          <Checkbox
            mt={4}
            aria-label={`Set ${p.name}`}
            checked={p.name in set}
            onChange={(event) =>
              change(
                event.currentTarget.checked
                  ? { ...set, [p.name]: beginning(p) }
                  : Object.fromEntries(Object.entries(set).filter(([name]) => name !== p.name)),
              )
            }
          />
          {p.name in set ? (
            <ParameterField parameter={p} value={set[p.name]} change={(value) => change({ ...set, [p.name]: value })} />
          ) : (
            <div>
              <Text size="sm">{p.name}</Text>
              <Text size="xs" c="dimmed" style={{ overflowWrap: 'anywhere' }}>
                {p.type}, the policy’s own is {JSON.stringify(p.value)}
              </Text>
            </div>
          )}
        </Group>
      ))}
    </Stack>
  )
}
