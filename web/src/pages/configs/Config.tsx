import { createLazyRoute } from '@tanstack/react-router'
import { Page } from '../../ui/Page'

export const route = createLazyRoute('/inside/policy-configs/$name')({ component: ConfigPage })

function ConfigPage() {
  return <Page title="Policy config">…</Page>
}
