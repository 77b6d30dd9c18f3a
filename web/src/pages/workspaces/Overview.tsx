import { Grid, Stack } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { reading, type Schemas } from '../../api/client'
import { may, useSession } from '../../api/session'
import { Counts } from '../../ui/Counts'
import { Empty } from '../../ui/Empty'
import { Facts } from '../../ui/Facts'
import { Loaded } from '../../ui/Loaded'
import { Section } from '../../ui/Section'
import { To } from '../../ui/To'
import { Quotas } from './Quotas'
import { Breakdown } from '../../ui/Breakdown'

/** Where a workspace is, what it may use and what is open in it. */
export function Overview({ workspace: w }: { workspace: Schemas['OneWorkspace'] }) {
  return (
    <Grid gap="md">
      <Grid.Col span={{ base: 12, lg: 7 }}>
        <Stack gap="md">
          <Section title="What it is">
            <Facts
              facts={[
                ['Cluster', w.clusterName],
                ['Namespaces', w.namespaces.join(', ')],
                [
                  'May deploy from',
                  w.allowed.repositories ? (
                    <Stack gap={2}>
                      {w.allowed.repositories.map((r) => (
                        <span key={`${r.kind} ${r.url}`}>
                          {r.kind} {r.url}
                        </span>
                      ))}
                      {w.allowed.repositories.length === 0 && 'nowhere'}
                    </Stack>
                  ) : (
                    'anywhere: nothing limits it'
                  ),
                ],
                [
                  'May deploy to',
                  w.allowed.clusters
                    ? w.allowed.clusters.map((c) => (c === '*' ? 'any cluster' : c)).join(', ') || 'this cluster only'
                    : 'any cluster: nothing limits it',
                ],
              ]}
            />
          </Section>
          <Quotas quotas={w.quotas} />
        </Stack>
      </Grid.Col>
      <Grid.Col span={{ base: 12, lg: 5 }}>
        <Open workspace={w} />
      </Grid.Col>
    </Grid>
  )
}

function Open({ workspace: { name, clusterName } }: { workspace: Schemas['OneWorkspace'] }) {
  const allowed = may(useSession(), 'violations')
  // Another cluster may have a workspace of that name.
  const where = { workspace: [name], cluster: [clusterName], status: ['open' as const] }
  const facets = useQuery({
    ...reading('/v1/facets', { query: { ...where, dimension: ['severity', 'policy', 'app'], limit: 12 } }),
    enabled: allowed,
  })
  if (!allowed) return <Empty title="You may not see its violations">The right to list violations in it is missing.</Empty>
  return (
    <Loaded query={facets} lines={10}>
      {({ facets: by }) => {
        if ((by['severity'] ?? []).length === 0) {
          return (
            <Section title="Open violations">
              <Empty title="None" good />
            </Section>
          )
        }
        return (
          <Stack gap="md">
            <Section
              title="Open violations"
              actions={
                <To to="/violations" search={where} fz="sm">
                  Show all
                </To>
              }
            >
              <Breakdown dimension="severity" counts={by['severity']} filters={where} />
            </Section>
            <Section title="Policies violated most">
              <Breakdown dimension="policy" counts={by['policy']} filters={where} />
            </Section>
            <Applications counts={(by['app'] ?? []).filter((c) => c.value !== '')} cluster={clusterName} />
          </Stack>
        )
      }}
    </Loaded>
  )
}

function Applications({ counts, cluster }: { counts: Schemas['Count'][]; cluster: string }) {
  return (
    <Section title="Applications with violations">
      {counts.length === 0 ? (
        <Empty title="None" good />
      ) : (
        <Counts
          label="By application"
          counts={counts.map((c) => {
            const [kind = '', namespace = '', name = ''] = c.value.split('/')
            return {
              key: c.value,
              count: c.count,
              label: (
                <To
                  to="/applications/$kind/$namespace/$name"
                  params={{ kind, namespace, name }}
                  search={{ cluster: [cluster] }}
                  title={c.value}
                >
                  {name} ({kind})
                </To>
              ),
            }
          })}
        />
      )}
    </Section>
  )
}
