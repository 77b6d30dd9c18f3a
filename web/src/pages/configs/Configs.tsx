import { createLazyRoute } from '@tanstack/react-router'
import { Page } from '../../ui/Page'

export const route = createLazyRoute('/inside/policy-configs')({ component: ConfigsPage })

function ConfigsPage() {
  return <Page title="Policy configs">…</Page>
}
