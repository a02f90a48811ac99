import { Bootstrap } from '@midwayjs/bootstrap'
import { MainConfiguration } from './configuration.js'

Bootstrap.configure({ imports: [MainConfiguration], moduleDetector: false })
Bootstrap.run()
