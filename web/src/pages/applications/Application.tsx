import { Grid, Stack, Text } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { createLazyRoute } from '@tanstack/react-router'
import { reading, type Schemas } from '../../api/client'
import { type Columns, DataTable } from '../../ui/DataTable'
import { Empty } from '../../ui/Empty'
import { Facts } from '../../ui/Facts'
import { Loaded } from '../../ui/Loaded'
import { count, plural } from '../../ui/number'
import { Page } from '../../ui/Page'
import { Section } from '../../ui/Section'
import { Snippet } from '../../ui/Snippet'
import { To } from '../../ui/To'
import tableClasses from '../../ui/Cells.module.css'
import { commands } from './commands'
import { revisions, violating, type Violating } from './violating'
import { Breakdown } from '../../ui/Breakdown'

export const route = createLazyRoute('/inside/applications/$kind/$namespace/$name')({ component: ApplicationPage })

const most = 500

function ApplicationPage() {
  const { kind, namespace, name } = route.useParams()
  const { cluster } = route.useSearch()
  const app = `${kind}/${namespace}/${name}`
  const where = { app: [app], ...(cluster ? { cluster } : {}), status: ['open' as const] }
  const facets = useQuery(
    reading('/v1/facets', { query: { ...where, dimension: ['severity', 'policy', 'workspace', 'cluster'], limit: 100 } }),
  )
  // The worst first, so that those come when there are more.
  const violations = useQuery(reading('/v1/violations', { query: { ...where, order: 'severity', limit: most } }))
  const further = commands(kind, namespace, name)
  return (
    <Page
      title={name}
      about={`${kind} in ${namespace}${cluster ? `, cluster ${cluster.join(', ')}` : ''}`}
      above={[{ label: 'Applications', to: '/applications' }]}
      actions={
        <To to="/violations" search={where} fz="sm">
          Show its violations
        </To>
      }
    >
      <Grid gap="md">
        <Grid.Col span={{ base: 12, lg: 7 }}>
          <Section title="Objects that violate policies" flush>
            <Loaded query={violations} lines={8}>
              {(data) => (
                <>
                  <DataTable
                    label="Objects that violate policies"
                    columns={columns}
                    rows={violating(data.items)}
                    id={(o) => o.key}
                    empty={
                      <Empty title="Nothing that it applies violates a policy" good>
                        Or the hub knows no application of that name that you may see.
                      </Empty>
                    }
                  />
                  {data.next && (
                    <Text size="xs" c="dimmed" px="md" py="xs">
                      Of more than {count(most)} violations the {count(most)} worst are counted here.
                    </Text>
                  )}
                </>
              )}
            </Loaded>
          </Section>
        </Grid.Col>
        <Grid.Col span={{ base: 12, lg: 5 }}>
          <Stack gap="md">
            {/* Why it could not be read is said beside it already. */}
            {!(facets.error && violations.error) && (
              <Loaded query={facets}>
                {(data) => <Posture facets={data.facets} where={where} violations={violations.data} />}
              </Loaded>
            )}
            {further.length > 0 && (
              <Section title="Look further">
                <Stack gap="xs">
                  {further.map((command) => (
                    <Snippet key={command} text={command} label={command.split(' ').slice(0, 2).join(' ')} />
                  ))}
                </Stack>
              </Section>
            )}
          </Stack>
        </Grid.Col>
      </Grid>
    </Page>
  )
}

interface PostureProperties {
  facets: Schemas['Facets']['facets']
  where: { app: string[]; cluster?: string[]; status: ['open'] | 'open'[] }
  violations: { items: Schemas['Violation'][] } | undefined
}

function Posture({ facets, where, violations }: PostureProperties) {
  const severities = facets['severity'] ?? []
  if (severities.length === 0) return null
  const named = (dimension: string) => (facets[dimension] ?? []).filter((c) => c.value !== '').map((c) => c.value)
  const known = violations && revisions(violations.items)
  return (
    <>
      <Section title="Open violations">
        <Breakdown dimension="severity" counts={severities} filters={where} />
      </Section>
      <Section title="Policies">
        <Breakdown dimension="policy" counts={(facets['policy'] ?? []).slice(0, 12)} filters={where} />
      </Section>
      <Section title="Where it is">
        <Facts
          facts={[
            ['Clusters', named('cluster').join(', ')],
            [
              'Workspaces',
              named('workspace').length > 0 && (
                <>
                  {named('workspace').map((w, i) => (
                    <span key={w}>
                      {i > 0 && ', '}
                      <To to="/violations" search={{ ...where, workspace: [w] }}>
                        {w}
                      </To>
                    </span>
                  ))}
                </>
              ),
            ],
            [known && known.length > 1 ? 'Revisions' : 'Revision', known && (known.join(', ') || 'no violation tells of one')],
          ]}
        />
      </Section>
    </>
  )
}

const columns: Columns<Violating> = [
  {
    id: 'object',
    header: 'Object',
    meta: { width: 'minmax(180px, 3fr)' },
    cell: ({ row: { original: o } }) => (
      <div className={tableClasses.two}>
        <To
          to="/violations"
          search={{ cluster: [o.cluster], kind: [o.object.kind], namespace: [o.object.namespace], name: [o.object.name] }}
        >
          {o.object.kind} {o.object.name}
        </To>
        <span className={tableClasses.below}>{[o.object.namespace, o.cluster].filter(Boolean).join(' in ')}</span>
      </div>
    ),
  },
  ...(['high', 'medium', 'low'] as const).map((severity): Columns<Violating>[number] => ({
    id: severity,
    header: `${severity[0]?.toUpperCase() ?? ''}${severity.slice(1)}`,
    meta: { width: '84px', right: true, secondary: severity === 'low' },
    cell: ({ row }) =>
      row.original[severity] === 0 ? (
        <span className={tableClasses.none}>0</span>
      ) : (
        <span title={plural(row.original[severity], 'violation')}>{count(row.original[severity])}</span>
      ),
  })),
]
