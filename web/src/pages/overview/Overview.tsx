import { createLazyRoute } from '@tanstack/react-router'
import { Page } from '../../ui/Page'

export const route = createLazyRoute('/inside/')({ component: OverviewPage })

function OverviewPage() {
  return <Page title="Overview">…</Page>
}
