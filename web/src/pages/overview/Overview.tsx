import { SegmentedControl, SimpleGrid, Text } from '@mantine/core'
import { useQuery } from '@tanstack/react-query'
import { createLazyRoute } from '@tanstack/react-router'
import { reading } from '../../api/client'
import { Empty } from '../../ui/Empty'
import { Failed } from '../../ui/Failed'
import { Loaded } from '../../ui/Loaded'
import { count, plural } from '../../ui/number'
import { Page } from '../../ui/Page'
import { Section } from '../../ui/Section'
import { To } from '../../ui/To'
import { TrendChart } from '../../ui/TrendChart'
import { Top } from './Top'
import { daysAgo, weeks } from './week'
import { Breakdown } from '../../ui/Breakdown'
import { AllClusters } from '../clusters/AllClusters'

export const route = createLazyRoute('/inside/')({ component: OverviewPage })

function OverviewPage() {
  const { cluster, workspace, days = '30' } = route.useSearch()
  const navigate = route.useNavigate()
  const within = { ...(cluster ? { cluster } : {}), ...(workspace ? { workspace } : {}) }
  const open = { ...within, status: ['open' as const] }
  // Seven days with today, as the timeline counts them.
  const since = daysAgo(6)
  const recent = { ...open, firstFrom: since }

  const facets = useQuery(
    reading('/v1/facets', { query: { ...open, dimension: ['severity', 'policy', 'workspace', 'app', 'cluster'], limit: 8 } }),
  )
  const newer = useQuery(
    reading('/v1/facets', { query: { ...recent, dimension: ['severity', 'policy', 'workspace', 'app'], limit: 8 } }),
  )
  // Two weeks at least, for what this week is compared with.
  const timeline = useQuery(reading('/v1/timeline', { query: { ...within, from: daysAgo(Math.max(14, Number(days))) } }))

  if (facets.error && !facets.data) {
    return (
      <Page title="Overview">
        <Failed error={facets.error} retry={() => void facets.refetch()} />
      </Page>
    )
  }
  return (
    <Page title="Overview" about={[...(cluster ?? []), ...(workspace ?? [])].join(', ') || 'All that you may see.'}>
      <SimpleGrid cols={{ base: 1, md: 2 }} spacing="md">
        <Section title="Open now">
          <Loaded query={facets} lines={5}>
            {(data) => {
              const severities = data.facets.severity ?? []
              const all = severities.reduce((sum, s) => sum + s.count, 0)
              if (all === 0) return <Empty title="Nothing is open" good />
              return (
                <>
                  <Text size="sm" mb="xs">
                    <To to="/violations" search={open}>
                      {plural(all, 'open violation')}
                    </To>
                  </Text>
                  <Breakdown dimension="severity" counts={severities} filters={open} />
                </>
              )
            }}
          </Loaded>
        </Section>
        <Section
          title="Opened and resolved"
          actions={
            <SegmentedControl
              aria-label="How many days"
              size="xs"
              value={days}
              data={['7', '30', '90'].map((d) => ({ value: d, label: `${d} days` }))}
              onChange={(value) => void navigate({ search: (before) => ({ ...before, days: value as '7' | '30' | '90' }) })}
            />
          }
        >
          <Loaded query={timeline} lines={6}>
            {(data) => (
              <TrendChart
                label="Violations opened and resolved by day"
                kind="bar"
                height={190}
                data={data.days.slice(-Number(days)).map((d) => ({ day: d.day, opened: d.opened, resolved: d.resolved }))}
                series={[
                  { name: 'opened', label: 'opened', color: 'var(--assay-medium)' },
                  { name: 'resolved', label: 'resolved', color: 'var(--assay-good)' },
                ]}
              />
            )}
          </Loaded>
        </Section>
      </SimpleGrid>
      <div>
        <Text size="sm" component="div">
          <To to="/violations" search={recent}>
            {newer.data
              ? plural(
                  (newer.data.facets.severity ?? []).reduce((sum, s) => sum + s.count, 0),
                  'open violation',
                )
              : 'Open violations'}{' '}
            first seen in the last 7 days
          </To>
        </Text>
        {timeline.data && (
          <Text size="sm" c="dimmed">
            {comparison(weeks(timeline.data.days))}
          </Text>
        )}
      </div>
      <Loaded query={newer}>
        {(data) => (
          <Top before="New this week by" facets={data.facets} dimensions={['policy', 'workspace', 'app']} filters={recent} />
        )}
      </Loaded>
      <Loaded query={facets}>
        {(data) => (
          <Top before="Most open by" facets={data.facets} dimensions={['policy', 'workspace', 'app', 'cluster']} filters={open} />
        )}
      </Loaded>
      <AllClusters title="Clusters and their last audit" {...(cluster ? { among: cluster } : {})} />
    </Page>
  )
}

function comparison({ now, before }: { now: number; before: number }): string {
  return `Opened in the last 7 days: ${count(now)}, in the 7 days before: ${count(before)}.`
}
