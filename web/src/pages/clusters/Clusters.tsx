import { useQuery } from '@tanstack/react-query'
import { createLazyRoute } from '@tanstack/react-router'
import { reading } from '../../api/client'
import { Empty } from '../../ui/Empty'
import { Loaded } from '../../ui/Loaded'
import { Page } from '../../ui/Page'
import { Section } from '../../ui/Section'
import { Heard } from '../overview/Heard'
import { lastAudits } from '../overview/week'

export const route = createLazyRoute('/inside/clusters')({ component: ClustersPage })

function ClustersPage() {
  const clusters = useQuery(reading('/v1/clusters', {}))
  const audits = useQuery(reading('/v1/audits', { query: { limit: 100 } }))
  return (
    <Page title="Clusters" about="The clusters that you see something of, when each was heard last, and its last full audit.">
      <Section title="All clusters" flush>
        <Loaded query={clusters}>
          {(data) =>
            data.items.length === 0 ? (
              <Empty title="No cluster has sent anything">Agents send what they find when their sink of the hub is set.</Empty>
            ) : (
              <Heard clusters={data.items} audits={audits.data && lastAudits(audits.data.items)} />
            )
          }
        </Loaded>
      </Section>
    </Page>
  )
}
