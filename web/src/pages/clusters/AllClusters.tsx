import { useQuery } from '@tanstack/react-query'
import { reading } from '../../api/client'
import { Empty } from '../../ui/Empty'
import { Loaded } from '../../ui/Loaded'
import { Section } from '../../ui/Section'
import { lastAudits } from './audits'
import { Heard } from './Heard'

/** The clusters that have sent something, all or those named, and their last full audits. */
export function AllClusters({ title, among }: { title: string; among?: string[] }) {
  const clusters = useQuery(reading('/v1/clusters', {}))
  const audits = useQuery(reading('/v1/audits', { query: { ...(among ? { cluster: among } : {}), limit: 100 } }))
  return (
    <Section title={title} flush>
      <Loaded query={clusters}>
        {(data) => {
          const shown = data.items.filter((c) => !among || among.includes(c.name))
          if (shown.length === 0) {
            return (
              <Empty title="No cluster has sent anything">Agents send what they find when their sink of the hub is set.</Empty>
            )
          }
          return <Heard clusters={shown} audits={audits.data && lastAudits(audits.data.items)} />
        }}
      </Loaded>
    </Section>
  )
}
