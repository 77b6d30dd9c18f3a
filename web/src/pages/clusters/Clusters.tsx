import { createLazyRoute } from '@tanstack/react-router'
import { Page } from '../../ui/Page'
import { AllClusters } from './AllClusters'

export const route = createLazyRoute('/inside/clusters')({ component: ClustersPage })

function ClustersPage() {
  return (
    <Page title="Clusters" about="The clusters that you see something of, when each was heard last, and its last full audit.">
      <AllClusters title="All clusters" />
    </Page>
  )
}
