import { createLazyRoute } from '@tanstack/react-router'
import { Page } from '../../ui/Page'

export const route = createLazyRoute('/inside/clusters')({ component: ClustersPage })

function ClustersPage() {
  return <Page title="Clusters">…</Page>
}
