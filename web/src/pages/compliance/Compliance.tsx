import { Box, Group, NativeSelect, Table, TextInput } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { createLazyRoute } from '@tanstack/react-router'
import { IconAlertTriangle, IconCircleCheck, IconCircleDashed } from '@tabler/icons-react'
import { reading } from '../../api/client'
import { Empty } from '../../ui/Empty'
import { Loaded } from '../../ui/Loaded'
import { Mark } from '../../ui/Marks'
import { count, plural } from '../../ui/number'
import { Page } from '../../ui/Page'
import { Partial } from '../../ui/Partial'
import { Section } from '../../ui/Section'
import { To } from '../../ui/To'
import { Rows } from '../../ui/Rows'
import { shortId } from '../../app/dimensions'

export const route = createLazyRoute('/inside/compliance')({ component: CompliancePage })

function CompliancePage() {
  const { standard, clusterName, at } = route.useSearch()
  const navigate = route.useNavigate()
  const asOf = { ...(clusterName ? { clusterName } : {}), ...(at ? { at } : {}) }
  const standards = useQuery(reading('/v1/standards', { query: asOf }))
  const clusters = useQuery(reading('/v1/clusters', {}))
  // Counts are of one cluster. The hub's own has no name in the address: its policies say it.
  const own = useQuery({ ...reading('/v1/policies', { query: { limit: 1 } }), enabled: clusterName === undefined })
  const cluster = clusterName ?? own.data?.policies[0]?.clusterName
  const chosen = standards.data?.standards.find((s) => s.id === standard) ?? standards.data?.standards[0]

  return (
    <Page
      title="Compliance"
      about="Which standards and controls a cluster’s policies are for, whether they are in force, and what is open now."
      actions={
        <To to="/compliance/report" search={{ ...asOf, ...(chosen ? { standard: [chosen.id] } : {}) }}>
          Evidence report
        </To>
      }
    >
      <Group align="flex-end" gap="sm">
        <NativeSelect
          label="Standard"
          value={chosen?.id ?? ''}
          data={(standards.data?.standards ?? []).map((s) => ({ value: s.id, label: shortId(s.id) }))}
          onChange={(e) => void navigate({ search: { ...asOf, standard: e.currentTarget.value } })}
        />
        <NativeSelect
          label="Cluster"
          value={clusterName ?? ''}
          data={[{ value: '', label: 'the hub’s own' }, ...(clusters.data?.items ?? []).map((c) => c.name)]}
          onChange={(e) => {
            const value = e.currentTarget.value
            void navigate({ search: (before) => ({ ...before, clusterName: value === '' ? undefined : value }) })
          }}
        />
        <TextInput
          type="date"
          label="Policies as at the end of (UTC)"
          value={at?.slice(0, 10) ?? ''}
          onChange={(e) => {
            const value = e.currentTarget.value
            void navigate({ search: (before) => ({ ...before, at: value === '' ? undefined : `${value}T23:59:59Z` }) })
          }}
        />
      </Group>
      <Partial errors={standards.data?.errors} />
      <Loaded query={standards}>
        {() =>
          chosen === undefined ? (
            <Empty title="No policy is for a standard">Policies name standards and controls in spec.standards.</Empty>
          ) : (
            <Section
              title={`${shortId(chosen.id)}: ${count(chosen.inForce)} of ${plural(chosen.policies.length, 'policy', 'policies')} in force`}
              flush
            >
              <Rows label="Controls" head={['Control', 'Policies', 'In force', 'Open now']} minWidth={640}>
                <Table.Tbody>
                  {chosen.controls.map((control) => (
                    <Table.Tr key={control.id}>
                      <Table.Td>{shortId(control.id)}</Table.Td>
                      <Table.Td>
                        {control.policies.map((policy) => (
                          <Box key={policy} mih={24}>
                            <To to="/policies/$name" params={{ name: policy }} search={asOf}>
                              {shortId(policy)}
                            </To>
                          </Box>
                        ))}
                      </Table.Td>
                      <Table.Td>
                        <InForce some={control.inForce} all={control.policies.length} />
                      </Table.Td>
                      <Table.Td>
                        <To
                          to="/violations"
                          search={{
                            status: ['open'],
                            control: [`${chosen.id}/${control.id}`],
                            ...(cluster ? { cluster: [cluster] } : {}),
                          }}
                        >
                          {control.open === undefined ? 'not known' : count(control.open)}
                        </To>
                      </Table.Td>
                    </Table.Tr>
                  ))}
                </Table.Tbody>
              </Rows>
            </Section>
          )
        }
      </Loaded>
    </Page>
  )
}

/** The words and the sign say the same as the colour. */
function InForce({ some, all }: { some: number; all: number }) {
  if (some === 0) {
    return (
      <Mark tone="neutral" icon={IconCircleDashed}>
        none in force
      </Mark>
    )
  }
  return (
    <Mark tone={some === all ? 'good' : 'medium'} icon={some === all ? IconCircleCheck : IconAlertTriangle}>
      {some === all ? 'in force' : `${count(some)} of ${count(all)}`}
    </Mark>
  )
}
