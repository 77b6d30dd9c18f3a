import { createLazyRoute } from '@tanstack/react-router'
import { Page } from '../../ui/Page'

export const route = createLazyRoute('/inside/clusters/$name')({ component: ClusterPage })

function ClusterPage() {
  return <Page title="Cluster">…</Page>
}
