import { Code, Grid, Stack, Table, Text } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { createLazyRoute } from '@tanstack/react-router'
import { reading, type Schemas } from '../../api/client'
import { may, useSession } from '../../api/session'
import { CodeView, YamlView } from '../../ui/CodeView'
import { Empty } from '../../ui/Empty'
import { Facts } from '../../ui/Facts'
import { Loaded } from '../../ui/Loaded'
import { Mark, Ready, Severity } from '../../ui/Marks'
import { Markdown } from '../../ui/Markdown'
import { Page } from '../../ui/Page'
import { Section } from '../../ui/Section'
import { To } from '../../ui/To'
import { Enforcing } from './Enforcing'
import { Rows } from '../../ui/Rows'
import { Breakdown } from '../../ui/Breakdown'

export const route = createLazyRoute('/inside/policies/$name')({ component: PolicyPage })

const above = [{ label: 'Policies', to: '/policies' }]

function PolicyPage() {
  const { name } = route.useParams()
  const search = route.useSearch()
  const asOf = { ...(search.clusterName ? { clusterName: search.clusterName } : {}), ...(search.at ? { at: search.at } : {}) }
  const policy = useQuery(reading('/v1/policies/{name}', { path: { name }, query: asOf }))
  if (!policy.data) {
    return (
      <Page title={name} above={above}>
        <Loaded query={policy} lines={8}>
          {() => null}
        </Loaded>
      </Page>
    )
  }
  return <Found policy={policy.data.policy} asItIs={search.clusterName === undefined && search.at === undefined} />
}

function Found({ policy: p, asItIs }: { policy: Schemas['PolicyObject']; asItIs: boolean }) {
  return (
    <Page
      title={p.name}
      above={above}
      about={p.id}
      beside={
        <>
          <Severity value={p.severity} />
          <Mark tone="neutral">{p.enforce ? 'refuses' : 'warns'}</Mark>
          <Ready state={p.state} />
        </>
      }
    >
      <Grid gap="md">
        <Grid.Col span={{ base: 12, lg: 8 }}>
          <Stack gap="md">
            <Section title="Why">
              <Markdown text={p.description || 'The policy has no description.'} />
            </Section>
            {p.howToSolve && (
              <Section title="How to solve it">
                <Markdown text={p.howToSolve} />
              </Section>
            )}
            {(p.code ?? p.cel) && (
              <Section title={`Rule in ${p.cel ? 'CEL' : 'Rego'}`}>
                {p.cel ? (
                  <YamlView value={p.cel} label="Rule" maxHeight="70vh" />
                ) : (
                  <CodeView text={p.code ?? ''} language="rego" label="Rule" maxHeight="70vh" />
                )}
              </Section>
            )}
            {/* The hub judges what its own cluster has now, and nothing else. */}
            {asItIs && !p.enforce && <Enforcing id={p.id} modes={p.modes} />}
          </Stack>
        </Grid.Col>
        <Grid.Col span={{ base: 12, lg: 4 }}>
          <Stack gap="md">
            <Violations policy={p} />
            <Section title="What it is about">
              <Facts
                facts={[
                  ['State', p.state.message],
                  ['Acts at', p.modes.join(', ') || 'nothing: no policy set chooses it, or no agent has said so'],
                  ['Kinds', p.targets.kinds.join(', ') || 'all'],
                  ['API groups', p.targets.apiGroups?.map((group) => group || 'core').join(', ')],
                  ['Namespaces', p.targets.namespaces.join(', ')],
                  ['Labels', p.targets.labels.map((l) => JSON.stringify(l.values)).join(' or ')],
                  ['Not in namespaces', p.exclude.namespaces?.join(', ')],
                  ['Not resources', p.exclude.resources?.join(', ')],
                  ['Not labels', p.exclude.labels && JSON.stringify(p.exclude.labels)],
                  ['Category', p.category],
                  ['Standards', p.standards.map((s) => [s.id, ...s.controls].join(' · ')).join('; ')],
                  ['Tags', p.tags.join(', ')],
                  [
                    'When it fails',
                    p.failurePolicy === 'Fail'
                      ? 'the request is refused, where it refuses'
                      : 'the request is let through with a warning',
                  ],
                  ['Repairs at admission', p.mutate ? 'yes' : 'no'],
                  ['Workspace', p.tenant],
                  ['Cluster', p.clusterName],
                ]}
              />
            </Section>
            <ParametersSection parameters={p.parameters} />
          </Stack>
        </Grid.Col>
      </Grid>
    </Page>
  )
}

function Violations({ policy }: { policy: Schemas['PolicyObject'] }) {
  const session = useSession()
  const open = useQuery({
    ...reading('/v1/facets', { query: { policy: [policy.id], status: ['open'], dimension: ['workspace', 'cluster'], limit: 8 } }),
    enabled: may(session, 'violations'),
  })
  if (!may(session, 'violations')) return null
  return (
    <Section
      title="Open violations"
      actions={
        <To to="/violations" search={{ policy: [policy.id] }} fz="sm">
          Show all
        </To>
      }
    >
      <Loaded query={open}>
        {(data) =>
          (data.facets['cluster'] ?? []).length === 0 ? (
            <Empty title="None" good />
          ) : (
            <Stack gap="sm">
              {(['cluster', 'workspace'] as const).map((d) => (
                <Breakdown key={d} dimension={d} counts={data.facets[d]} filters={{ policy: [policy.id], status: ['open'] }} />
              ))}
            </Stack>
          )
        }
      </Loaded>
    </Section>
  )
}

function ParametersSection({ parameters }: { parameters: Schemas['PolicyParameter'][] }) {
  if (parameters.length === 0) return null
  return (
    <Section title="Parameters" flush>
      <Rows label="Parameters" head={['Name', 'Value']} minWidth={280}>
        <Table.Tbody>
          {parameters.map((parameter) => (
            <Table.Tr key={parameter.name}>
              <Table.Td>
                {parameter.name}
                <Text size="xs" c="dimmed">
                  {parameter.type}
                  {parameter.required && ', required'}
                </Text>
              </Table.Td>
              <Table.Td style={{ overflowWrap: 'anywhere' }}>
                <Code>{JSON.stringify(parameter.value)}</Code>
              </Table.Td>
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Rows>
    </Section>
  )
}
