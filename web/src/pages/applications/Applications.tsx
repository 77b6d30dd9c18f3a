import { createLazyRoute } from '@tanstack/react-router'
import { Page } from '../../ui/Page'

export const route = createLazyRoute('/inside/applications')({ component: ApplicationsPage })

function ApplicationsPage() {
  return <Page title="Applications">…</Page>
}
