import { Button, Code, Grid, Skeleton, Stack, Table, Text } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { createLazyRoute, Link } from '@tanstack/react-router'
import { lazy, Suspense } from 'react'
import { reading, type Schemas } from '../../api/client'
import { Empty } from '../../ui/Empty'
import { Facts } from '../../ui/Facts'
import { Loaded } from '../../ui/Loaded'
import { Mark, Severity, Status } from '../../ui/Marks'
import { Markdown } from '../../ui/Markdown'
import { Page } from '../../ui/Page'
import { Section } from '../../ui/Section'
import { Snippet } from '../../ui/Snippet'
import { Time } from '../../ui/Time'
import { To } from '../../ui/To'
import { Rows } from '../../ui/Rows'

export const route = createLazyRoute('/inside/violations/$id')({ component: ViolationPage })

// It brings the library that reads and writes YAML.
const Manifest = lazy(() => import('./Manifest').then((m) => ({ default: m.Manifest })))

const above = [{ label: 'Violations', to: '/violations' }]

function ViolationPage() {
  const { id } = route.useParams()
  const violation = useQuery(reading('/v1/violations/{id}', { path: { id } }))
  if (!violation.data) {
    return (
      <Page title="Violation" above={above}>
        <Loaded query={violation} lines={8}>
          {() => null}
        </Loaded>
      </Page>
    )
  }
  return <Found violation={violation.data} />
}

function Found({ violation: v }: { violation: Schemas['OneViolation'] }) {
  return (
    <Page
      title={v.policy.name || v.policy.id}
      above={above}
      about={v.message}
      actions={
        v.status === 'open' && (
          <Button
            size="sm"
            variant="default"
            renderRoot={(props) => <Link to="/new/exception" search={{ violation: v.id }} {...props} />}
          >
            Make an exception
          </Button>
        )
      }
      beside={
        <>
          <Severity value={v.policy.severity} />
          <Status value={v.status} resolution={v.resolution} />
          <Mark tone="neutral">{v.enforced ? 'refuses' : 'warns'}</Mark>
        </>
      }
    >
      <Grid gap="md">
        <Grid.Col span={{ base: 12, lg: 8 }}>
          <Stack gap="md">
            <Occurrences occurrences={v.occurrences} />
            {Object.keys(v.manifest).length > 0 && (
              <Suspense fallback={<Skeleton height={300} />}>
                <Manifest violation={v} />
              </Suspense>
            )}
            <Why violation={v} />
          </Stack>
        </Grid.Col>
        <Grid.Col span={{ base: 12, lg: 4 }}>
          <Stack gap="md">
            <Where violation={v} />
            <ParametersSection parameters={v.parameters} cluster={v.cluster} />
            <History id={v.id} />
          </Stack>
        </Grid.Col>
      </Grid>
    </Page>
  )
}

function Occurrences({ occurrences }: { occurrences: Schemas['Occurrence'][] }) {
  return (
    <Section title="What is wrong" flush>
      {occurrences.length === 0 ? (
        <Empty title="The policy says no more than its message" />
      ) : (
        <Rows label="What is wrong" head={['What', 'Where', 'Recommended']} minWidth={480}>
          <Table.Tbody>
            {occurrences.map((o, i) => (
              <Table.Tr key={i}>
                <Table.Td>{o.message}</Table.Td>
                <Table.Td>{o.violating_key ? <Code>{o.violating_key}</Code> : '–'}</Table.Td>
                <Table.Td>
                  {o.recommended_value === undefined || o.recommended_value === null ? (
                    '–'
                  ) : (
                    <Code>{JSON.stringify(o.recommended_value)}</Code>
                  )}
                </Table.Td>
              </Table.Tr>
            ))}
          </Table.Tbody>
        </Rows>
      )}
    </Section>
  )
}

function Why({ violation: v }: { violation: Schemas['OneViolation'] }) {
  // The hub has no document of a violation that it forgot all results of, whatever its description says.
  const policy = (v.document as typeof v.document | null)?.validation.policy
  return (
    <Section title="Why this policy, and how to solve it">
      <Stack gap="sm">
        {policy?.description ? <Markdown text={policy.description} /> : <Text size="sm">The policy has no description.</Text>}
        {policy?.how_to_solve && <Markdown text={policy.how_to_solve} />}
        <Facts
          facts={[
            [
              'Policy',
              <To key="policy" to="/policies/$name" params={{ name: v.policy.id }}>
                {v.policy.id}
              </To>,
            ],
            ['Category', v.policy.category],
            [
              'Standards',
              v.policy.standards.length > 0 && (
                <Stack key="standards" gap={2}>
                  {v.policy.standards.map((s) => (
                    <div key={s.id}>
                      <To to="/compliance" search={{ standard: s.id }}>
                        {s.id}
                      </To>
                      {s.controls.length > 0 && (
                        <Text size="xs" c="dimmed" component="div">
                          {s.controls.join(', ')}
                        </Text>
                      )}
                    </div>
                  ))}
                </Stack>
              ),
            ],
          ]}
        />
        {v.gate !== 'terraform' && (
          <>
            <Text size="sm">The same policy on the files in your working directory, before you push:</Text>
            <Snippet text={`assay check --policy ${v.policy.id} .`} label="Command that checks files by this policy" />
          </>
        )}
      </Stack>
    </Section>
  )
}

function Where({ violation: v }: { violation: Schemas['OneViolation'] }) {
  const app = v.app
  return (
    <Section title="Where and since when">
      <Facts
        facts={[
          [
            'Object',
            <To
              key="object"
              to="/violations"
              search={{ kind: [v.object.kind], name: [v.object.name], namespace: [v.object.namespace], cluster: [v.cluster] }}
            >
              {v.object.kind} {v.object.name}
            </To>,
          ],
          [
            'Namespace',
            v.object.namespace && (
              <To key="ns" to="/violations" search={{ namespace: [v.object.namespace], cluster: [v.cluster] }}>
                {v.object.namespace}
              </To>
            ),
          ],
          ['API version', v.object.apiVersion],
          [
            'Cluster',
            <To key="cluster" to="/violations" search={{ cluster: [v.cluster] }}>
              {v.cluster}
            </To>,
          ],
          [
            'Workspace',
            v.workspace && (
              <To key="ws" to="/violations" search={{ workspace: [v.workspace] }}>
                {v.workspace}
              </To>
            ),
          ],
          [
            'Application',
            app && (
              <To
                key="app"
                to="/applications/$kind/$namespace/$name"
                params={{ kind: app.kind, namespace: app.namespace, name: app.name }}
                search={{ cluster: [v.cluster] }}
              >{`${app.kind} ${app.namespace}/${app.name}`}</To>
            ),
          ],
          ['Revision', app?.revision && <Code key="revision">{app.revision}</Code>],
          ['Gate', v.gate],
          ['First seen', <Time key="first" at={v.firstSeen} />],
          ['Last seen', <Time key="last" at={v.lastSeen} />],
          ['Resolution', v.resolution],
        ]}
      />
    </Section>
  )
}

function ParametersSection({ parameters, cluster }: { parameters: Schemas['Parameter'][]; cluster: string }) {
  if (parameters.length === 0) return null
  return (
    <Section title="Parameters as they were">
      <Facts
        facts={parameters.map((p) => [
          p.name,
          <span key={p.name}>
            <Code>{JSON.stringify(p.value)}</Code>
            {p.config_ref ? (
              <>
                {' set by '}
                <To to="/policy-configs/$name" params={{ name: p.config_ref }} search={{ clusterName: cluster }}>
                  {p.config_ref}
                </To>
              </>
            ) : (
              ' the policy’s own'
            )}
          </span>,
        ])}
      />
    </Section>
  )
}

function History({ id }: { id: string }) {
  const history = useQuery(reading('/v1/violations/{id}/history', { path: { id }, query: { limit: 50 } }))
  return (
    <Section title="History">
      <Loaded query={history}>
        {(data) => (
          <Stack gap={8} component="ol" style={{ listStyle: 'none', margin: 0, padding: 0 }}>
            {data.items.map((event) => (
              <li key={event.resultId}>
                <Text size="sm" component="div">
                  <Time at={event.time} />{' '}
                  <b>
                    {event.operation
                      ? `${event.operation} ${event.enforced ? 'refused' : 'warned about'}`
                      : (event.life ?? event.status)}
                  </b>
                  {event.user && <> by {event.user}</>}
                  {event.resolution && <>: {event.resolution}</>}
                </Text>
                {event.revision && (
                  <Text size="xs" c="dimmed" style={{ overflowWrap: 'anywhere' }}>
                    at {event.revision}
                  </Text>
                )}
              </li>
            ))}
          </Stack>
        )}
      </Loaded>
    </Section>
  )
}
