import { createLazyRoute } from '@tanstack/react-router'
import { Page } from '../../ui/Page'

export const route = createLazyRoute('/inside/effective-parameters')({ component: EffectivePage })

function EffectivePage() {
  return <Page title="Effective parameters">…</Page>
}
