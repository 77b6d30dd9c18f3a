import { SimpleGrid, Table } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { createLazyRoute } from '@tanstack/react-router'
import { reading } from '../../api/client'
import { Empty } from '../../ui/Empty'
import { Facts } from '../../ui/Facts'
import { Loaded } from '../../ui/Loaded'
import { count } from '../../ui/number'
import { Page } from '../../ui/Page'
import { Section } from '../../ui/Section'
import { Time } from '../../ui/Time'
import { To } from '../../ui/To'
import { Top } from '../overview/Top'
import { Rows } from '../../ui/Rows'

export const route = createLazyRoute('/inside/clusters/$name')({ component: ClusterPage })

function ClusterPage() {
  const { name } = route.useParams()
  const open = { cluster: [name], status: ['open' as const] }
  const clusters = useQuery(reading('/v1/clusters', {}))
  const audits = useQuery(reading('/v1/audits', { query: { cluster: [name], limit: 20 } }))
  const facets = useQuery(reading('/v1/facets', { query: { ...open, dimension: ['policy', 'workspace', 'app'], limit: 8 } }))
  return (
    <Page title={name} above={[{ label: 'Clusters', to: '/clusters' }]}>
      <SimpleGrid cols={{ base: 1, md: 2 }} spacing="md">
        <Section title="Heard">
          <Loaded query={clusters}>
            {(data) => {
              const cluster = data.items.find((c) => c.name === name)
              if (!cluster) return <Empty title="Nothing of this cluster is known to you" />
              return (
                <Facts
                  facts={[
                    ['First result', <Time key="first" at={cluster.firstSeen} exact />],
                    ['Last result', <Time key="last" at={cluster.lastSeen} />],
                    ['Clock', clock(cluster.skewSeconds)],
                    [
                      'Violations',
                      <To key="open" to="/violations" search={open}>
                        those that are open
                      </To>,
                    ],
                    [
                      'Policies',
                      <To key="policies" to="/policies" search={{ clusterName: name }}>
                        those it has
                      </To>,
                    ],
                    [
                      'Standards',
                      <To key="compliance" to="/compliance" search={{ clusterName: name }}>
                        compliance
                      </To>,
                    ],
                  ]}
                />
              )
            }}
          </Loaded>
        </Section>
        <Section title="Last audits" flush>
          <Loaded query={audits}>
            {(data) =>
              data.items.length === 0 ? (
                <Empty title="No audit is known">Agents tell of their full audits when they send to the hub.</Empty>
              ) : (
                <Rows label="Last audits" head={['Began', 'Ended', 'Because', 'Not looked at']} minWidth={420} maxHeight={260}>
                  <Table.Tbody>
                    {data.items.map((audit) => (
                      <Table.Tr key={audit.id}>
                        <Table.Td>
                          <Time at={audit.start} exact />
                        </Table.Td>
                        <Table.Td>{audit.end ? <Time at={audit.end} exact /> : 'not known'}</Table.Td>
                        <Table.Td>{audit.trigger}</Table.Td>
                        <Table.Td>{count(audit.failures)}</Table.Td>
                      </Table.Tr>
                    ))}
                  </Table.Tbody>
                </Rows>
              )
            }
          </Loaded>
        </Section>
      </SimpleGrid>
      <Loaded query={facets}>
        {(data) => <Top before="Most open by" facets={data.facets} dimensions={['policy', 'workspace', 'app']} filters={open} />}
      </Loaded>
    </Page>
  )
}

function clock(ahead: number): string {
  const seconds = Math.round(Math.abs(ahead))
  if (seconds < 5) return 'that of the hub'
  return `${count(seconds)} seconds ${ahead > 0 ? 'ahead of' : 'behind'} the hub’s when it was heard last`
}
