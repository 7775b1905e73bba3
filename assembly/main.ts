export { fill, filled } from './fill'
export {
  GAPS,
  INPUT,
  MAX_GAPS,
  MAX_TIMESTAMP,
  OUTPUT,
  OUTPUT_BYTES,
  TIMESTAMP,
  WINDOW,
} from './memory'
export { pass, passed } from './pass'
