/** What piscina's threads run. */
import { answer } from "../shared.ts";

export default answer;
