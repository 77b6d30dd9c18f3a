import { createLazyRoute } from '@tanstack/react-router'
import { Page } from '../../ui/Page'

export const route = createLazyRoute('/inside/impact')({ component: ImpactPage })

function ImpactPage() {
  return <Page title="Impact">…</Page>
}
