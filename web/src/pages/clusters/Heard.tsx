import { Table } from '@mantine/core'
import type { Schemas } from '../../api/client'
import { count } from '../../ui/number'
import { Time } from '../../ui/Time'
import { To } from '../../ui/To'
import { Rows } from '../../ui/Rows'

interface Properties {
  clusters: Schemas['Cluster'][]
  /** The last of each cluster; undefined while they are not known. */
  audits: Schemas['Audit'][] | undefined
}

/** When each cluster was heard last, and its last full audit. */
export function Heard({ clusters, audits }: Properties) {
  return (
    <Rows label="Clusters" head={['Cluster', 'Last result', 'Last audit', 'Not looked at']} minWidth={420}>
      <Table.Tbody>
        {clusters.map((cluster) => {
          const audit = audits?.find((a) => a.clusterName === cluster.name)
          return (
            <Table.Tr key={cluster.name}>
              <Table.Td>
                <To to="/clusters/$name" params={{ name: cluster.name }}>
                  {cluster.name}
                </To>
              </Table.Td>
              <Table.Td>
                <Time at={cluster.lastSeen} />
              </Table.Td>
              <Table.Td>{audit ? audit.end ? <Time at={audit.end} /> : 'no end is known' : 'not known'}</Table.Td>
              <Table.Td>{audit ? count(audit.failures) : '–'}</Table.Td>
            </Table.Tr>
          )
        })}
      </Table.Tbody>
    </Rows>
  )
}
