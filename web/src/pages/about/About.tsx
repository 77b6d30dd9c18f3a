import { SimpleGrid, Table, Text } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { createLazyRoute } from '@tanstack/react-router'
import { IconAlertOctagon, IconCircleCheck } from '@tabler/icons-react'
import { useSession } from '../../api/session'
import { Empty } from '../../ui/Empty'
import { Facts } from '../../ui/Facts'
import { Loaded } from '../../ui/Loaded'
import { Mark } from '../../ui/Marks'
import { Page } from '../../ui/Page'
import { Section } from '../../ui/Section'
import { Time } from '../../ui/Time'
import { To } from '../../ui/To'
import { Rows } from '../../ui/Rows'

export const route = createLazyRoute('/inside/about')({ component: AboutPage })

/** Whether the hub can work, and what it says if not. /readyz is for the kubelet and not in the API's document. */
async function ready(signal: AbortSignal): Promise<{ ready: boolean; says: string }> {
  const response = await fetch('/readyz', { signal })
  return { ready: response.ok, says: (await response.text()).trim() }
}

function AboutPage() {
  const session = useSession()
  const hub = useQuery({ queryKey: ['/readyz'], queryFn: ({ signal }) => ready(signal) })
  return (
    <Page title="About" about="Assay: trusted delivery for GitOps.">
      <SimpleGrid cols={{ base: 1, md: 2 }} spacing="md">
        <Section title="Hub">
          <Loaded query={hub} lines={2}>
            {(data) => (
              <Facts
                facts={[
                  [
                    'State',
                    <Mark key="state" tone={data.ready ? 'good' : 'high'} icon={data.ready ? IconCircleCheck : IconAlertOctagon}>
                      {data.ready ? 'ready' : 'not ready'}
                    </Mark>,
                  ],
                  ['It says', data.ready ? undefined : data.says],
                  [
                    'Clusters',
                    <To key="clusters" to="/clusters">
                      when each was heard last
                    </To>,
                  ],
                  [
                    'API',
                    <a key="docs" href="/docs">
                      its description
                    </a>,
                  ],
                ]}
              />
            )}
          </Loaded>
        </Section>
        <Section title="Your session">
          <Facts
            facts={[
              ['Name', session.name],
              ['Groups', session.groups?.join(', ')],
              ['Signed in by', session.way],
              ['Ends unless used', session.expiresAt && <Time at={session.expiresAt} />],
              ['Ends at the latest', session.endsAt && <Time at={session.endsAt} exact />],
            ]}
          />
        </Section>
      </SimpleGrid>
      <Section title="What you may see" flush>
        {session.rights.length === 0 ? (
          <Empty title="Nothing yet">
            Rights are those of Kubernetes’ RBAC, on resources of the group pac.weave.works. Ask a platform engineer for a
            RoleBinding in your namespaces.
          </Empty>
        ) : (
          <Rows label="Rights" head={['Resource', 'Verb', 'Where']} minWidth={360}>
            <Table.Tbody>
              {session.rights.map((right) => (
                <Table.Tr key={`${right.resource} ${right.verb}`}>
                  <Table.Td>{right.resource}</Table.Td>
                  <Table.Td>{right.verb}</Table.Td>
                  <Table.Td>
                    <Text size="sm">{right.all ? 'everywhere, in every cluster' : right.namespaces.join(', ') || 'nowhere'}</Text>
                  </Table.Td>
                </Table.Tr>
              ))}
            </Table.Tbody>
          </Rows>
        )}
      </Section>
    </Page>
  )
}
