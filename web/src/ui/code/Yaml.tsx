import { stringify } from 'yaml'
import { Code, type CodeProperties } from './Code'

export interface YamlProperties extends Pick<CodeProperties, 'label' | 'maxHeight'> {
  value: unknown
}

export function Yaml({ value, ...rest }: YamlProperties) {
  return <Code text={stringify(value, { lineWidth: 0, aliasDuplicateObjects: false })} language="yaml" {...rest} />
}
