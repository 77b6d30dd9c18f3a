import { Button, Code, Grid, Stack, Table, Text } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { createLazyRoute, Link } from '@tanstack/react-router'
import { reading, type Schemas } from '../../api/client'
import { Facts } from '../../ui/Facts'
import { Loaded } from '../../ui/Loaded'
import { Mark, Ready } from '../../ui/Marks'
import { Page } from '../../ui/Page'
import { Section } from '../../ui/Section'
import { Time } from '../../ui/Time'
import { To } from '../../ui/To'
import { shown } from './form'
import { Rows } from '../../ui/Rows'

export const route = createLazyRoute('/inside/policy-configs/$name')({ component: ConfigPage })

function ConfigPage() {
  const { name } = route.useParams()
  const { clusterName, at } = route.useSearch()
  const asOf = { ...(clusterName ? { clusterName } : {}), ...(at ? { at } : {}) }
  const config = useQuery(reading('/v1/policy-configs/{name}', { path: { name }, query: asOf }))
  return (
    <Page
      title={name}
      above={[{ label: 'Policy configs', to: '/policy-configs' }]}
      beside={config.data && <Ready state={config.data.state} />}
      actions={
        <Button variant="default" renderRoot={(props) => <Link to="/new/policy-config" search={{ edit: name }} {...props} />}>
          Change it
        </Button>
      }
    >
      <Loaded query={config} lines={8}>
        {(c) => (
          <Grid gap="md">
            <Grid.Col span={{ base: 12, lg: 8 }}>
              <Values policies={c.policies} />
            </Grid.Col>
            <Grid.Col span={{ base: 12, lg: 4 }}>
              <Section title="What it matches">
                <Facts
                  facts={[
                    ['Workspaces', c.match.workspaces && <List items={c.match.workspaces} />],
                    ['Namespaces', c.match.namespaces && <List items={c.match.namespaces} />],
                    ['Applications', c.match.apps && <List items={c.match.apps.map(shown)} />],
                    ['Resources', c.match.resources && <List items={c.match.resources.map(shown)} />],
                    ['State', c.state.message],
                    ['Made', <Time key="made" at={c.age} />],
                    ['Cluster', c.clusterName],
                  ]}
                />
              </Section>
            </Grid.Col>
          </Grid>
        )}
      </Loaded>
    </Page>
  )
}

function List({ items }: { items: string[] }) {
  return (
    <Stack gap={0}>
      {items.map((item) => (
        <span key={item}>{item}</span>
      ))}
    </Stack>
  )
}

/** What it sets, beside what would be without it. */
function Values({ policies }: { policies: Schemas['ConfiguredPolicy'][] }) {
  return (
    <Section title="What it sets" flush>
      <Rows label="What it sets" head={['Parameter', 'The policy’s own', 'Set here']} minWidth={420}>
        {policies.map((p) => (
          <Table.Tbody key={p.id}>
            <Table.Tr>
              <Table.Th colSpan={3} scope="rowgroup">
                {p.status === 'OK' ? (
                  <To to="/policies/$name" params={{ name: p.id }}>
                    {p.name ?? p.id}
                  </To>
                ) : (
                  <>
                    {p.id} <Mark tone="medium">there is no such policy</Mark>
                  </>
                )}
              </Table.Th>
            </Table.Tr>
            {Object.entries(p.parameters).map(([name, value]) => {
              const same = JSON.stringify(value) === JSON.stringify(p.defaults[name])
              return (
                <Table.Tr key={name}>
                  <Table.Td>{name}</Table.Td>
                  <Table.Td style={{ overflowWrap: 'anywhere' }}>
                    {name in p.defaults ? <Code>{JSON.stringify(p.defaults[name])}</Code> : <Text size="sm">none</Text>}
                  </Table.Td>
                  <Table.Td style={{ overflowWrap: 'anywhere' }}>
                    <Code>{JSON.stringify(value)}</Code>
                    {same && (
                      <Text size="xs" c="dimmed">
                        the same
                      </Text>
                    )}
                  </Table.Td>
                </Table.Tr>
              )
            })}
          </Table.Tbody>
        ))}
      </Rows>
    </Section>
  )
}
